using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.Jobs.Clouds.Docker.Images.Fetch;
using Portal.TestKit;

namespace Portal.IntegrationTests.Clouds;

/// <summary>How often pip checks whether it reaches a server, counted by the server.</summary>
public sealed class PackageSourcesTests : IAsyncLifetime
{
    private const string Page = "simple/thing/";
    private static readonly ArchiveLock Lock = new([new Distribution.PyPi("thing", "thing-1.0.tar.gz")], []);
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-fetch").FullName;
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());
    private LocalIndex? _index;
    private string? _home;

    private LocalIndex Index => _index!;
    private int Requests => Index.Requests.GetValueOrDefault(Page);

    public async ValueTask InitializeAsync()
    {
        ImageFromIndexTests.ForgetSite();
        _index = await LocalIndex.StartAsync();
        _home = LocalIndex.Home(Index.Simple, null);
    }

    public async ValueTask DisposeAsync()
    {
        await Index.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Directory.Delete(_home!, recursive: true);
    }

    [Fact]
    public async Task Look_ServerDoesNotHaveIt_IsAskedOnce_ThenAfterWaitsThatGrow_AndAtOnceWhenTheConfigurationChanges()
    {
        Directory.CreateDirectory($"{_folder}/run-of-a-killed-process");
        var sources = Open();
        await LookAsync<FetchState.Impossible>(sources);
        for (var i = 0; i < 10; i++) await LookAsync<FetchState.Impossible>(sources);
        Requests.ShouldBe(1);

        _clock.Advance(PackageSources.First);
        await AgainAsync(sources, 2);
        _clock.Advance(PackageSources.First);
        await LookAsync<FetchState.Impossible>(sources);
        Requests.ShouldBe(2, "the second wait is longer than the first");
        _clock.Advance(PackageSources.First);
        await AgainAsync(sources, 3);

        Index.Files["packages/thing/thing-1.0.tar.gz"] = [1];
        File.SetLastWriteTimeUtc($"{_home}/.config/pip/pip.conf", DateTime.UnixEpoch);
        await Until.TrueAsync("it is possible now", () => Look(sources) is FetchState.Possible, TestContext.Current.CancellationToken, TimeSpan.FromMinutes(3));
        Requests.ShouldBe(4);
    }

    [Theory]
    [InlineData("", 0, null)]
    [InlineData("/var/lib/fetch", 61998, null)]
    [InlineData("fetch", 61998, "Images:Fetch:Folder must be a full path.")]
    [InlineData("/var/lib/fetch", 0, "Images:Fetch:Account must be the uid of an unprivileged account: pip and Maven do not run as root.")]
    public void Options_AsRoot_NameTheFieldThatIsWrong(string folder, int account, string? wrong)
    {
        Environment.IsPrivilegedProcess.ShouldBeTrue();
        new FetchOptionsCheck().Validate(null, new ImagesOptions { Fetch = { Folder = folder, Account = account } }).FailureMessage.ShouldBe(wrong);
    }

    private PackageSources Open() =>
        new(new ImagesOptions { Fetch = { Folder = _folder, Account = 61998, Home = _home! } }, _clock, NullLoggerFactory.Instance);

    private static FetchState Look(PackageSources sources) => sources.Look("thing-1.0.tar.xz", "sum", Lock);

    /// <summary>The old result stays until there is a new one.</summary>
    private async Task AgainAsync(PackageSources sources, int asked)
    {
        await Until.TrueAsync("pip is tried again", () =>
        {
            Look(sources).ShouldBeOfType<FetchState.Impossible>();
            return Requests == asked && !Directory.EnumerateDirectories(_folder).Any();
        }, TestContext.Current.CancellationToken, TimeSpan.FromMinutes(3));
        Look(sources).ShouldBeOfType<FetchState.Impossible>();
    }

    private static async Task LookAsync<T>(PackageSources sources)
    {
        while (Look(sources) is FetchState.Checking check) await check.Answer.WaitAsync(TestContext.Current.CancellationToken);
        Look(sources).ShouldBeOfType<T>();
    }
}
