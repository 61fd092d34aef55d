
# Knock on all addresses of the host.
$sent = $false
foreach ($address in [Net.Dns]::GetHostAddresses($server)) {
    $udp = $null
    $tries = @()
    try {
        $udp = New-Object Net.Sockets.UdpClient $address.AddressFamily
        foreach ($round in 1..$rounds) {
            foreach ($port in $ports) {
                $number = [int]($port -replace '/tcp$', '')
                if ($port -like '*/tcp') {
                    # A knock on a TCP port is an attempt to connect; nothing waits for an answer.
                    $tcp = New-Object Net.Sockets.TcpClient $address.AddressFamily
                    $null = $tcp.BeginConnect($address, $number, $null, $null)
                    $tries += $tcp
                } else {
                    $end = New-Object Net.IPEndPoint $address, $number
                    $null = $udp.Send($datagram, $datagram.Length, $end)
                }
                $sent = $true
                Start-Sleep -Milliseconds $pause
            }
        }
    } catch {
        Write-Verbose "$address cannot be reached: $_"
    } finally {
        foreach ($tcp in $tries) { $tcp.Close() }
        if ($udp) { $udp.Close() }
    }
}
if (-not $sent) { throw "nothing can be sent to $server" }
