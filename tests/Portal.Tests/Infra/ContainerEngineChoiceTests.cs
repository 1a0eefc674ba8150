using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Portal.Tests.Infra;

/// <summary>Which container engine <c>infra/run</c> uses: one that answers as Docker Engine and can enforce
/// limits, else its own. The ones here respond on real sockets, as real ones do.</summary>
public sealed class ContainerEngineChoiceTests : IAsyncLifetime
{
    private const string Docker =
        """{"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1","Details":{"ApiVersion":"1.41","MinAPIVersion":"1.12"}},"""
        + """{"Name":"runc","Version":"1.1.5"}],"Version":"20.10.24+dfsg1","ApiVersion":"1.41","MinAPIVersion":"1.12"}""";
    private const string Able =
        """{"MemoryLimit":true,"SwapLimit":true,"CpuCfsPeriod":true,"CpuCfsQuota":true,"PidsLimit":true,"OSType":"linux","SecurityOptions":"""
        + """["name=seccomp,profile=default","name=cgroupns"]}""";
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-engine").FullName;
    private readonly List<WebApplication> _engines = [];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("1.41")]
    [InlineData("1.51")]
    [InlineData("2.0")]
    public async Task System_DockerThatKeepsLimits_IsTaken(string api)
    {
        var socket = await EngineAsync("docker.sock", Docker.Replace("1.41", api, StringComparison.Ordinal), Able);

        (await ChooseAsync(socket)).ShouldBe($"engine={socket} missing=");
    }

    public static TheoryData<string, string, string> Unfit() => new()
    {
        { Docker.Replace("\"Engine\"", "\"Podman Engine\"", StringComparison.Ordinal), Able, "it is not Docker Engine" },
        { Docker.Replace("1.41", "1.40", StringComparison.Ordinal), Able, "its API is 1.40, and at least 1.41 is needed" },
        { Docker.Replace("1.41", "1.9", StringComparison.Ordinal), Able, "its API is 1.9, and at least 1.41 is needed" },
        { Docker, Able.Replace("name=cgroupns", "name=rootless", StringComparison.Ordinal), "it runs without root" },
        { Docker, Able.Replace("name=seccomp,profile=default", "name=apparmor", StringComparison.Ordinal), "it lacks seccomp:" },
        { Docker, Able.Replace("\"MemoryLimit\":true", "\"MemoryLimit\":false", StringComparison.Ordinal)
            .Replace("\"PidsLimit\":true", "\"PidsLimit\":false", StringComparison.Ordinal), "it lacks MemoryLimit, PidsLimit:" },
    };

    [Theory]
    [MemberData(nameof(Unfit))]
    public async Task System_ThatWillNotDo_OwnOneIsStarted(string version, string info, string why)
    {
        var socket = await EngineAsync("docker.sock", version, info);

        (await ChooseAsync(socket)).ShouldMatch($"^own one, because the container engine at {socket} cannot be used: .*{why}");
    }

    [Fact]
    public async Task System_ThatWillNotDoBesideOurOwnThatRuns_OursIsTaken()
    {
        var podman = await EngineAsync("docker.sock", Docker.Replace("\"Engine\"", "\"Podman Engine\"", StringComparison.Ordinal), Able);
        var ours = await EngineAsync("run/docker.sock", Docker, Able);

        (await ChooseAsync(podman)).ShouldBe($"engine={ours} missing=");
        File.ReadAllText(Path.Combine(_folder, "run", "users", "abc")).Trim().ShouldBe("/state/of/abc");
    }

    [Fact]
    public async Task Nobody_OwnOneIsStarted() => (await ChooseAsync(Path.Combine(_folder, "nothing.sock"))).ShouldBe("own one, because");

    [Fact]
    public async Task Named_ThatWillNotDo_IsNotReplaced()
    {
        var socket = await EngineAsync("named.sock", Docker.Replace("1.41", "1.24", StringComparison.Ordinal), Able);

        (await ChooseAsync(Path.Combine(_folder, "nothing.sock"), ("DOCKER_HOST", $"unix://{socket}")))
            .ShouldBe($"engine= missing=DOCKER_HOST names {socket}, which cannot be used: its API is 1.24, and at least 1.41 is needed");
        (await ChooseAsync(socket, ("DOCKER_HOST", "unix:///nowhere.sock")))
            .ShouldBe("engine= missing=DOCKER_HOST names /nowhere.sock, but nothing answers there");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines) await engine.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>What use_container_engine decides; starting one is only reported.</summary>
    private async Task<string> ChooseAsync(string system, params (string, string)[] environment)
    {
        var (code, output) = await Script.RunAsync("common processes container-engine", """
            SYSTEM_SOCKET=$SYSTEM CONTAINER_ENGINE_RUN=$OURS CONTAINER_ENGINE_SOCKET=$OURS/docker.sock STATE=/state/of/abc
            is_root() { true; }
            have() { true; }
            start_container_engine() { echo "own one, because ${2:-}"; exit; }
            use_container_engine abc
            echo "engine=$CONTAINER_ENGINE missing=$CONTAINER_ENGINE_MISSING"
            """, [("SYSTEM", system), ("OURS", Path.Combine(_folder, "run")), .. environment]);
        code.ShouldBe(0, output);
        return output;
    }

    private async Task<string> EngineAsync(string socket, string version, string info)
    {
        var path = Path.Combine(_folder, socket);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.ListenUnixSocket(path));
        var engine = builder.Build();
        _engines.Add(engine);
        engine.MapGet("/_ping", () => "OK");
        engine.MapGet("/version", () => Results.Text(version, "application/json"));
        engine.MapGet("/info", () => Results.Text(info, "application/json"));
        await engine.StartAsync();
        return path;
    }
}
