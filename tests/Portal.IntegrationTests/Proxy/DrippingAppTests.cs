using Microsoft.Extensions.Time.Testing;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Proofs;

namespace Portal.IntegrationTests.Proxy;

/// <summary>An app that drips one byte a second for ever: health, counts and the kernel check end at their limits, by the test's clock.</summary>
public sealed class DrippingAppTests(WebFixture web) : IClassFixture<WebFixture>
{
    private const string Chunked = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", Chunk = "1\r\n \r\n",
        InItsHead = "HTTP/1.1 201 Created\r\nX-Slow: ", Letter = "x";

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1), Soon = TimeSpan.FromSeconds(20);
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Chunked, Chunk)]
    [InlineData(InItsHead, Letter)]
    public async Task Health_Dripping_EndsAtTheLimitAsNotThere(string beginning, string drop)
    {
        await using var app = new DrippingApp(beginning, drop);
        using var engine = new EngineCounts(_clock);

        (await AtAsync(3, app, engine.AnswersAsync(Nodes, "notebook", new(app.Port, "/"), Cancel))).ShouldBeFalse();
    }

    [Theory]
    [InlineData(Chunked, Chunk)]
    [InlineData(InItsHead, Letter)]
    public async Task Count_Dripping_EndsAtTheLimitAsUnknown(string beginning, string drop)
    {
        await using var app = new DrippingApp(beginning, drop);
        using var engine = new EngineCounts(_clock);

        (await AtAsync(3, app, engine.CountAsync(Nodes, new("n", "N", "notebook", app.Port, "/", "n"), Cancel))).ShouldBeNull();
    }

    [Theory]
    [InlineData(Chunked, Chunk)]
    [InlineData(InItsHead, Letter)]
    public async Task Proof_StartOfAKernelThatDrips_EndsAtTheLimit(string beginning, string drop)
    {
        await using var app = new DrippingApp(beginning, drop);
        await using var jobs = ProofAttempt.Jobs(web, _clock);

        var outcome = await AtAsync(20, app, ProofAttempt.RunAsync(jobs, await ProofAttempt.OrderAsync(web, app.Port, "Ada", Cancel), Cancel));

        outcome.ShouldBe(new ProofOutcome.NotYet("The notebook did not respond within 20 s.", WebUnavailable: false));
    }

    /// <summary>One message in ever more frames.</summary>
    [Fact]
    public async Task Proof_MessageThatDrips_EndsAtTheLimit()
    {
        using var frames = new SemaphoreSlim(0);
        var (begun, sent) = (new TaskCompletionSource(), 0);
        await using var notebook = await HostileNotebook.StartAsync(compute: async (it, socket, _, cancel) =>
        {
            begun.TrySetResult();
            while (true)
            {
                await frames.WaitAsync(cancel);
                await it.SendAsync(socket, " ", end: false, cancel);
                Interlocked.Increment(ref sent);
            }
        });
        await using var jobs = ProofAttempt.Jobs(web, _clock);

        var attempt = ProofAttempt.RunAsync(jobs, await ProofAttempt.OrderAsync(web, notebook.Port, "Ada", Cancel), Cancel);
        var outcome = await AtAsync(20, begun.Task, async () =>
        {
            var before = Volatile.Read(ref sent);
            frames.Release();
            await TestKit.Until.TrueAsync("a frame has left", () => Volatile.Read(ref sent) > before, Cancel);
        }, attempt);

        outcome.ShouldBe(new ProofOutcome.NotYet("The notebook did not respond within 20 s.", WebUnavailable: false));
    }

    private static IReadOnlyList<NodeStatus> Nodes =>
        [new("notebook", "notebook", 1, NodeState.Running, null, OutOfMemory: false, "127.0.0.1", "hash")];

    private Task<T> AtAsync<T>(int seconds, DrippingApp app, Task<T> reading) => AtAsync(seconds, app.Asked, () => app.DripAsync(Cancel), reading);

    /// <summary>Drips every second; the reading goes on until the last of them, and ends then.</summary>
    private async Task<T> AtAsync<T>(int seconds, Task begun, Func<Task> drip, Task<T> reading)
    {
        await begun.WaitAsync(Soon, TimeProvider.System, Cancel);
        for (var i = 1; i < seconds; i++)
        {
            await drip();
            _clock.Advance(Second);
        }
        reading.IsCompleted.ShouldBeFalse("the limit is not reached");
        await drip();
        _clock.Advance(Second);
        return await reading.WaitAsync(Soon, TimeProvider.System, Cancel);
    }
}
