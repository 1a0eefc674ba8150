using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

public sealed class EngineSite : IAsyncLifetime
{
    public Installation It { get; private set; } = null!;

    public async ValueTask InitializeAsync() => It = await Installation.StartAsync(students: 1, ["spark", "hadoop"], TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
    }
}

/// <summary>As <see cref="ClusterCrashTests"/>, with the engines whose images take long.</summary>
public sealed class EngineCrashTests(EngineSite site) : IClassFixture<EngineSite>
{
    [Fact, Trait("Lane", "long")]
    public Task Kill_InTheMiddleOfAResizeOfSpark_EndsWithTheWorkersOrdered() =>
        new ClusterHands(site.It, "spark", ["master", "notebook"], Answer("http://master:8080/json/", "['aliveworkers']")).KillResizesAsync();

    [Fact, Trait("Lane", "long")]
    public Task Kill_InTheMiddleOfAResizeOfHadoop_EndsWithTheWorkersOrdered() =>
        new ClusterHands(site.It, "hadoop", ["master", "notebook"], Answer("http://master:8088/ws/v1/cluster/metrics", "['clusterMetrics']['activeNodes']")).KillResizesAsync();

    private static string Answer(string url, string path) => $"import json, urllib.request\nprint(json.load(urllib.request.urlopen('{url}', timeout=5)){path})";
}
