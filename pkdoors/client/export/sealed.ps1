
# The key: PKDOORS_KEY in the environment, or the first of ssh's usual ones.
$key = $env:PKDOORS_KEY
if (-not $key) {
    $key = 'id_ed25519', 'id_ecdsa', 'id_rsa' |
        ForEach-Object { Join-Path (Join-Path $HOME '.ssh') $_ } |
        Where-Object { Test-Path -LiteralPath "$_.pub" } |
        Select-Object -First 1
}
if (-not $key) { throw 'no SSH key in ~/.ssh: put the path of one into PKDOORS_KEY' }
if (-not (Get-Command ssh-keygen -ErrorAction SilentlyContinue)) {
    throw 'ssh-keygen is missing: install the OpenSSH client (Settings, Optional features)'
}
$line = Get-Content -LiteralPath (($key -replace '\.pub$', '') + '.pub') -TotalCount 1
$public = [Convert]::FromBase64String(($line -split ' ')[1])

# The statement: the door, the seconds, the time, a nonce, a hint that finds the key, any address.
$random = New-Object byte[] 8
[Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($random)
$nonce = -join ($random | ForEach-Object { $_.ToString('x2') })
$hashed = [byte[]]($public + [Text.Encoding]::ASCII.GetBytes($nonce))
$digest = [Security.Cryptography.SHA256]::Create().ComputeHash($hashed)
$hint = -join ($digest[0..3] | ForEach-Object { $_.ToString('x2') })
$stamp = [DateTimeOffset]::UtcNow.ToUnixTimeMilliseconds()
$statement = "pkdoors1 $door $seconds $stamp $nonce $hint *`n"

# Seal the statement and the sequence.
$folder = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid().ToString())
$null = New-Item -ItemType Directory -Path $folder
try {
    $file = Join-Path $folder 'knock'
    $message = $statement + ($ports -join ',') + "`n"
    [IO.File]::WriteAllBytes($file, [Text.Encoding]::ASCII.GetBytes($message))
    & ssh-keygen -q -Y sign -n 'knock@pkdoors' -f $key $file
    if ($LASTEXITCODE -ne 0) { throw 'ssh-keygen did not sign' }
    $text = -join (Get-Content -LiteralPath "$file.sig" | Where-Object { $_ -notlike '-----*' })
} finally {
    Remove-Item -Recurse -Force -LiteralPath $folder
}
$sshsig = [Convert]::FromBase64String($text)

# The result is "SSHSIG", a version, and five strings; the last one is the signature.
$next = 10
foreach ($part in 'key', 'namespace', 'reserved', 'hash', 'signature') {
    $start = $next + 4
    $length = 0
    foreach ($byte in $sshsig[$next..($next + 3)]) { $length = $length * 256 + $byte }
    $next = $start + $length
}
$datagram = [byte[]]([Text.Encoding]::ASCII.GetBytes($statement) + $sshsig[$start..($next - 1)])
