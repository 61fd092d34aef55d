"""
The host that the daemon runs on: what the operating system reports (L{proc}, L{procnet}, L{names},
L{bootid}, L{systemd}), and what the daemon needs of it (L{instance}, L{descriptors}, L{bpf},
L{serviceuser}).
"""
