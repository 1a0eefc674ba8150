using System.Net;
using System.Net.Sockets;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A site with an egress proxy: nodes reach the proxy and what it allows, and nothing else.</summary>
public sealed class EgressProxyTests : IAsyncLifetime
{
    private const string Index = "packages.example.edu", Forge = "git.example.edu", Token = "a-token";
    private readonly DirectoryInfo _world = Directory.CreateTempSubdirectory("portal-world");
    private ExternalHost? _externalHost;
    private CloudLab? _lab;

    private ExternalHost Proxy => _externalHost!;
    private CloudLab Lab => _lab!;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _externalHost = await ExternalHost.MakeAsync(Cancel);
        await _externalHost.ProxyAsync(_world.FullName, Cancel);
        _lab = CloudLab.Open(("Clouds:Docker:EgressProxy", $"{_externalHost.Address}:{ExternalHost.ProxyPort}"));
    }

    public async ValueTask DisposeAsync()
    {
        if (_lab is not null) await _lab.DisposeAsync();
        if (_externalHost is not null) await _externalHost.DisposeAsync();
        _world.Delete(recursive: true);
    }

    [Fact]
    public async Task Pip_FetchesFromTheIndexAndTheModuleIsThere()
    {
        Put($"{Index}/simple/course-helper/index.html",
            "<a href=\"/files/course_helper-1.0-py3-none-any.whl\">course_helper-1.0-py3-none-any.whl</a>"u8.ToArray());
        Put($"{Index}/files/course_helper-1.0-py3-none-any.whl", LocalIndex.Zip(
            ("course_helper.py", "def says():\n    return 'from the index'\n"),
            ("course_helper-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: course-helper\nVersion: 1.0\n"),
            ("course_helper-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("course_helper-1.0.dist-info/RECORD", "")));
        var plan = await NotebookAsync();

        var (output, code) = await Lab.InsideAsync(plan, "notebook", "bash", "-c",
            $". /usr/local/lib/portal/node && pip install --quiet --index-url http://{Index}/simple --trusted-host {Index} course-helper "
            + "&& cd / && python3 -c 'import course_helper; print(course_helper.says())'");

        (output, code).ShouldBe(("from the index", 0L));
        // For https the same proxy is asked to CONNECT.
        (output, code) = await Lab.InsideAsync(plan, "notebook", "bash", "-c",
            $"curl --silent --show-error --max-time 10 https://{Index}/; curl --silent --proxytunnel http://{Index}/simple/course-helper/");
        output.ShouldContain("course_helper-1.0");
        (await File.ReadAllLinesAsync(Path.Combine(_world.FullName, "asked"), Cancel))
            .Count(l => l.StartsWith($"CONNECT {Index}:443 ", StringComparison.Ordinal))
            .ShouldBe(1);
    }

    [Fact]
    public async Task CourseLink_PullsTheRepositoryIntoTheWorkFolder()
    {
        (await OwnDisk.RunAsync("bash", "-euc", $"""
            cd {_world.FullName}; git init -q -b main course; cd course; echo 'the lesson' > lesson.txt; git add .
            git -c user.name=Lecturer -c user.email=lecturer@example.edu commit -qm lesson
            mkdir ../{Forge}; git clone -q --bare . ../{Forge}/course.git; git -C ../{Forge}/course.git update-server-info
            """)).ShouldBe(0);
        var plan = await NotebookAsync();
        using var http = new HttpClient { BaseAddress = new($"http://{await Lab.AddressAsync(plan, "notebook")}:8888/"), Timeout = TimeSpan.FromSeconds(60) };
        http.DefaultRequestHeaders.Authorization = new("token", Token);
        await Eventually.HoldsAsync(async () =>
        {
            try { return (await http.GetAsync("api/status", Cancel)).IsSuccessStatusCode; }
            catch (HttpRequestException) { return false; }
        }, "the notebook answers");

        (await http.GetStringAsync($"git-pull?repo=http://{Forge}/course.git&branch=main", Cancel)).ShouldNotContain("cannot be fetched from here");
        // A plain file server cannot truncate history, so the whole repository is fetched.
        var output = await http.GetStringAsync($"git-pull/api?repo=http://{Forge}/course.git&branch=main&targetpath=course&depth=0", Cancel);

        output.ShouldContain("finished");
        (await Lab.InsideAsync(plan, "notebook", "cat", "/home/student/work/course/lesson.txt")).ShouldBe(("the lesson", 0L));
    }

    [Fact]
    public async Task AllElse_StaysClosed()
    {
        await using var other = await ExternalHost.MakeAsync(Cancel);
        await other.ProxyAsync(_world.FullName, Cancel);
        await using var closed = CloudLab.Open(); // an installation without an egress proxy, on the same host
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel); // before the other's addresses are chosen, which must differ
        var theirs = await closed.PlanAsync();
        await closed.Clusters.EnsureAsync(theirs, Cancel);
        using var here = new TcpListener(IPAddress.Parse(Proxy.Host), ExternalHost.ProxyPort);
        here.Start();

        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.ProxyPort)).ShouldBeTrue("the proxy itself");
        (await Lab.ReachAsync(plan, Index, 80)).ShouldBe("no name", "without the proxy");
        (string What, CloudLab From, ClusterPlan Plan, string Address, int Port)[] others =
        [
            ("another port of the proxy", Lab, plan, Proxy.Address, ExternalHost.Port),
            ("another machine", Lab, plan, other.Address, ExternalHost.ProxyPort),
            ("this host", Lab, plan, Proxy.Host, ExternalHost.ProxyPort),
            ("from an installation that opens none", closed, theirs, Proxy.Address, ExternalHost.ProxyPort),
        ];
        foreach (var (what, from, of, address, port) in others) (await from.ReachesAsync(of, address, port)).ShouldBeFalse(what);
        foreach (var rule in Lab.Get<FirewallRules>().IsolationRules.Concat(closed.Get<FirewallRules>().IsolationRules)) await RemoveAsync(rule);
        foreach (var (what, from, of, address, port) in others) (await from.ReachesAsync(of, address, port)).ShouldBeTrue($"{what}, without the rules");
        await Lab.Clusters.EnsureAsync(plan, Cancel); // restores them
        await closed.Clusters.EnsureAsync(theirs, Cancel);
        foreach (var (what, from, of, address, port) in others) (await from.ReachesAsync(of, address, port)).ShouldBeFalse(what);
        var (output, _) = await Lab.PythonInsideAsync(plan, "notebook",
            "import os; print(os.environ['PORTAL_EGRESS_PROXY'] == os.environ['https_proxy'], os.environ['no_proxy'].split(',')[0])");
        output.ShouldBe("True notebook");
        (await closed.PythonInsideAsync(theirs, "notebook",
            "import os; print([k for k in os.environ if 'proxy' in k.lower() or 'WAY_OUT' in k])")).Output.ShouldBe("[]");
    }

    [Fact]
    public async Task IsolationRulePutBack_LeavesTheEgressRuleInIt()
    {
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        foreach (var rule in Lab.Get<FirewallRules>().IsolationRules) await RemoveAsync(rule);

        await Lab.Clusters.EnsureAsync(plan, Cancel);

        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.Port)).ShouldBeFalse("the isolation rules are in place");
        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.ProxyPort)).ShouldBeTrue("the egress rule is before them");

        // As left by a process that was killed after the drop rules and before the egress proxy's exceptions.
        foreach (var rule in Lab.Get<FirewallRules>().IsolationRules)
        {
            await RemoveAsync(rule);
            (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-I"))).ShouldBe(0);
        }
        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.ProxyPort)).ShouldBeFalse();
        await EnsureAsync($"{Proxy.Address}:{ExternalHost.ProxyPort}");
        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.ProxyPort)).ShouldBeTrue("the next process puts the egress rule before the isolation rules");
    }

    /// <summary>A running process compares one listing with the last complete one; whatever is missing from it is found.</summary>
    [Fact]
    public async Task AnyRuleTakenAway_FromARunningProcess_IsPutBack()
    {
        var (rules, firewall) = (Lab.Get<FirewallRules>(), Lab.Get<Firewall>());
        await firewall.EnsureAsync(Cancel);
        await firewall.EnsureAsync(Cancel); // found complete
        foreach (var rule in rules.IsolationRules.Concat(rules.EgressRules))
        {
            await RemoveAsync(rule);

            await firewall.EnsureAsync(Cancel);

            (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-C"))).ShouldBe(0, string.Join(' ', rule.Specification));
            await firewall.EnsureAsync(Cancel);
        }
    }

    [Fact]
    public async Task AnotherSettingOrNone_ClosesTheOldOne()
    {
        await using var other = await ExternalHost.MakeAsync(Cancel);
        using var here = new TcpListener(IPAddress.Parse(other.Host), ExternalHost.ProxyPort);
        here.Start();
        var plan = await Lab.PlanAsync();
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.ProxyPort)).ShouldBeTrue();

        await EnsureAsync($"{other.Host}:{ExternalHost.ProxyPort}"); // a proxy on this same host

        (await Lab.ReachesAsync(plan, Proxy.Address, ExternalHost.ProxyPort)).ShouldBeFalse();
        (await Lab.ReachesAsync(plan, other.Host, ExternalHost.ProxyPort)).ShouldBeTrue();

        await EnsureAsync("");

        (await Lab.ReachesAsync(plan, other.Host, ExternalHost.ProxyPort)).ShouldBeFalse();
        foreach (var table in FirewallRules.EgressTables)
            (await Tool.RunAsync("test", "iptables", ["-w", "10", "-t", table, "-S"], TimeSpan.FromSeconds(20), TimeProvider.System,
                Cancel)).Output.ShouldNotContain(Lab.Get<FirewallRules>().EgressMark);
    }

    [Fact]
    public async Task ConnectionsToTheProxy_OfOneWorkspace_AreLimitedOnTheHost()
    {
        const int Most = FirewallRules.OpenConnections;
        var plan = await Lab.PlanAsync(nodes: [await Lab.NodeAsync(), await Lab.NodeAsync("worker0")]);
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        var limits = Lab.Get<FirewallRules>().EgressRules.Where(r => r.Table == "mangle").ToList();
        limits.Count.ShouldBe(2);
        var (each, open) = (limits[0], limits[1]);
        await RemoveAsync(each);

        // The limit on open connections alone: both nodes together.
        await TryAsync(plan, "worker0", count: 40, hold: true);
        await TryAsync(plan, "notebook", count: 3 * Most, hold: true);
        ConnectionTable.Count(plan.Subnet, ExternalHost.ProxyPort).ShouldBe(Most);
        await Lab.InsideAsync(plan, "worker0", "pkill", "python3");
        await Lab.InsideAsync(plan, "notebook", "pkill", "python3");

        // The limit on new connections alone: closed ones stay in the table for two minutes.
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        await RemoveAsync(open);
        var before = ConnectionTable.Count(plan.Subnet, ExternalHost.ProxyPort);
        await TryAsync(plan, "notebook", count: 5 * Most, hold: false);
        ConnectionTable.Count(plan.Subnet, ExternalHost.ProxyPort).ShouldBeInRange(before + 1, before + Most + (10 * FirewallRules.NewConnectionsEachSecond));

        // Neither limit applies: any number of connections.
        await RemoveAsync(each);
        before = ConnectionTable.Count(plan.Subnet, ExternalHost.ProxyPort);
        await TryAsync(plan, "notebook", count: 5 * Most, hold: false);
        ConnectionTable.Count(plan.Subnet, ExternalHost.ProxyPort).ShouldBeGreaterThan(before + (4 * Most));

        await Lab.Clusters.EnsureAsync(plan, Cancel);
        foreach (var rule in limits) (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-C"))).ShouldBe(0);
    }

    /// <summary>Opens connections to the proxy without waiting for any; keeps those that succeed in a separate process, or closes each immediately.</summary>
    private async Task TryAsync(ClusterPlan plan, string node, int count, bool hold) => await Lab.PythonInsideAsync(plan, node, $$"""
        import os, select, socket, time
        links = []
        if {{(hold ? "os.fork()" : "False")}}:
            time.sleep(2); os._exit(0)
        for fd in (0, 1, 2) if {{(hold ? "True" : "False")}} else (): os.dup2(os.open("/dev/null", os.O_RDWR), fd)
        for _ in range({{count}}):
            s = socket.socket(); s.setblocking(False); s.connect_ex(("{{Proxy.Address}}", {{ExternalHost.ProxyPort}})); links.append(s)
            if not {{(hold ? "True" : "False")}} and len(links) == 32:
                select.select([], links, [], 0.2); [l.close() for l in links]; links = []
        if {{(hold ? "True" : "False")}}: time.sleep(60)
        """);

    private static async Task RemoveAsync(FirewallRule rule) => (await OwnDisk.RunAsync(rule.Tool, rule.Arguments("-D"))).ShouldBe(0);

    /// <summary>As Jobs does when it starts with this setting.</summary>
    private Task EnsureAsync(string egress)
    {
        var options = new DockerOptions { Pool = Lab.Settings["Clouds:Docker:Pool"]!, EgressProxy = egress };
        return new Firewall(new FirewallRules(Lab.Owned, options), TimeProvider.System).EnsureAsync(Cancel);
    }

    private async Task<ClusterPlan> NotebookAsync()
    {
        var work = await Lab.WorkAsync(CloudLab.New(), 300_001);
        var node = await Lab.NodeAsync(work: work.Mount, memoryMib: 512, command: ["start-notebook"]);
        var plan = await Lab.PlanAsync(nodes: node with { Secrets = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = Token } });
        await Lab.Clusters.EnsureAsync(plan, Cancel);
        return plan;
    }

    private void Put(string path, byte[] content)
    {
        var file = Path.Combine(_world.FullName, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, content);
    }
}
