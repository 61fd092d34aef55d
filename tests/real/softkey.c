/*
 * A security key in software, for ssh-keygen: the library that SSH_SK_PROVIDER names, as in OpenSSH's
 * PROTOCOL.u2f and sk-api.h. It is always touched. The handle of a key is the private key itself.
 *
 *     cc -shared -fPIC -o softkey.so softkey.c -l:libcrypto.so.3
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 0x000a0000, ED25519 = 1, ERR_GENERAL = -1, ERR_UNSUPPORTED = -2, PRESENT = 1 };
enum { SEED = 32, SIGNATURE = 64, NID_ED25519 = 1087 };

/* From libcrypto, whose headers may be missing. */
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_ctx_st EVP_MD_CTX;
EVP_PKEY *EVP_PKEY_new_raw_private_key(int, void *, const uint8_t *, size_t);
int EVP_PKEY_get_raw_public_key(const EVP_PKEY *, uint8_t *, size_t *);
EVP_MD_CTX *EVP_MD_CTX_new(void);
int EVP_DigestSignInit(EVP_MD_CTX *, void *, const void *, void *, EVP_PKEY *);
int EVP_DigestSign(EVP_MD_CTX *, uint8_t *, size_t *, const uint8_t *, size_t);
uint8_t *SHA256(const uint8_t *, size_t, uint8_t *);
int RAND_bytes(uint8_t *, int);

struct enrolled {
    uint8_t flags;
    uint8_t *public_key; size_t public_key_len;
    uint8_t *key_handle; size_t key_handle_len;
    uint8_t *signature; size_t signature_len;
    uint8_t *certificate; size_t certificate_len;
    uint8_t *authdata; size_t authdata_len;
};

struct signed_ {
    uint8_t flags;
    uint32_t counter;
    uint8_t *sig_r; size_t sig_r_len;
    uint8_t *sig_s; size_t sig_s_len;
};

uint32_t sk_api_version(void) { return VERSION; }

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application,
    uint8_t flags, const char *pin, void **options, struct enrolled **response)
{
    size_t size = SEED;
    struct enrolled *made = calloc(1, sizeof *made);
    EVP_PKEY *key;

    (void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
    if (alg != ED25519)
        return ERR_UNSUPPORTED;
    made->flags = flags;
    made->key_handle = malloc(made->key_handle_len = SEED);
    made->public_key = malloc(made->public_key_len = SEED);
    if (RAND_bytes(made->key_handle, SEED) != 1
        || !(key = EVP_PKEY_new_raw_private_key(NID_ED25519, NULL, made->key_handle, SEED))
        || EVP_PKEY_get_raw_public_key(key, made->public_key, &size) != 1)
        return ERR_GENERAL;
    *response = made;
    return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin, void **options,
    struct signed_ **response)
{
    uint8_t framed[32 + 1 + 4 + 32];
    size_t size = SIGNATURE;
    struct signed_ *made = calloc(1, sizeof *made);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(NID_ED25519, NULL, handle, SEED);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    (void)flags, (void)pin, (void)options;
    if (alg != ED25519 || handle_len != SEED || !key)
        return ERR_UNSUPPORTED;
    made->flags = PRESENT;
    made->counter = 7;
    made->sig_r = malloc(made->sig_r_len = SIGNATURE);
    SHA256((const uint8_t *)application, strlen(application), framed);
    memcpy(framed + 32, "\1\0\0\0\7", 5);
    SHA256(data, data_len, framed + 37);
    if (EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1
        || EVP_DigestSign(context, made->sig_r, &size, framed, sizeof framed) != 1)
        return ERR_GENERAL;
    *response = made;
    return 0;
}

int sk_load_resident_keys(const char *pin, void **options, void ***keys, size_t *count)
{
    (void)pin, (void)options, (void)keys, (void)count;
    return ERR_UNSUPPORTED;
}
