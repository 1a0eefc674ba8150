namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// What the probe container runs: Perl, because Debian's smallest root file system has it. Tries what must not work, then answers each connection
/// on its port with the results, one "name value" per line, and exits.
/// Arguments: its own port; the port on which the host listens during the probe; the host's addresses.
/// </summary>
internal static class ProbeScript
{
    public const string Perl = """
        use strict; use Socket;
        my ($own, $port, @hosts) = @ARGV;
        my @results;
        $SIG{ALRM} = sub { exit 0 }; alarm 60;
        sub status { open(my $f, '<', '/proc/self/status') or return '?'; while (<$f>) { return $1 if /^$_[0]:\s*(\S+)/ } '?' }
        push @results, "root " . (open(my $f, '>', '/portal-probe') ? 'writable' : 'read-only');
        push @results, "namespaces " . (system('unshare --user true 2>/dev/null') == 0 ? 'allowed' : -x '/usr/bin/unshare' ? 'refused' : 'unknown');
        push @results, "capabilities " . status('CapBnd'), "privileges " . status('NoNewPrivs'), "seccomp " . status('Seccomp');
        my @six; if (open(my $g, '<', '/proc/net/if_inet6')) { while (<$g>) { push @six, $1 if /(\S+)\s*$/ && $1 ne 'lo' } }
        push @results, "ipv6 " . (@six ? 'open' : 'none');
        # btrfs's "make a subvolume" on /tmp: refused before the kernel looks whose file system it is, or not at all.
        opendir(my $d, '/tmp'); open(my $t, '<', '/tmp'); my $name = pack('qa4088', 0, 'portal-probe');
        ioctl($t, 0x5000940E, $name); push @results, "subvolumes " . ($! == 1 ? 'refused' : 'allowed');
        # With valid arguments: both work where nothing refuses them.
        my $ring = "\0" x 120; push @results, "rings " . (syscall(425, 1, $ring) < 0 ? 'refused' : 'allowed');
        push @results, "vsock " . (socket(my $v, 40, SOCK_STREAM, 0) ? 'allowed' : 'refused');
        my %child;
        for my $host (@hosts) {
            my $pid = fork() // die; $child{$pid} = $host; next if $pid;
            $SIG{ALRM} = sub { exit 0 }; alarm 2;
            socket(my $s, PF_INET, SOCK_STREAM, getprotobyname('tcp') || 6); exit(connect($s, sockaddr_in($port, inet_aton($host))) ? 1 : 0);
        }
        while ((my $pid = wait()) > 0) { push @results, "reached $child{$pid}" if $? >> 8 }
        socket(my $l, PF_INET, SOCK_STREAM, 6) or die "socket: $!";
        bind($l, sockaddr_in($own, INADDR_ANY)) && listen($l, 5) or die "listen: $!";
        while (accept(my $c, $l)) { syswrite($c, join("\n", @results, "end of probe\n")); close($c) }
        """;
}
