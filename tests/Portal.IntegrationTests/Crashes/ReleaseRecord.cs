using System.Text.Json;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Crashes;

/// <summary>Times in nanoseconds of the host's clock; 0 for what was never seen.</summary>
/// <param name="NodesGone">When the container engine destroyed the last container.</param>
/// <param name="NetworkGone">When the container engine destroyed the network.</param>
/// <param name="MountGone">The first sample without the mount after it was there.</param>
/// <param name="MountWithoutRule">Samples that saw a mount whose rule was gone.</param>
public sealed record Released(long NodesGone, long NetworkGone, long MountLastThere, long MountGone, long RuleLastThere, int MountWithoutRule, int Samples);

/// <summary>Watches one workspace from outside the product: the container engine's events, the kernel's list of mounts, the folder of rules.</summary>
internal sealed class ReleaseRecord : IAsyncDisposable
{
    private readonly CloudLab _lab;
    private readonly string _workspace;
    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _listens = new();
    private readonly Task _hearing, _sampling;
    private long _nodesGone, _networkGone, _mountLastThere, _mountGone, _ruleLastThere;
    private int _mountWithoutRule, _samples;

    private ReleaseRecord(CloudLab lab, Guid workspace)
    {
        (_lab, _workspace) = (lab, workspace.ToString("n"));
        _hearing = Task.Run(HearAsync);
        _sampling = Task.Factory.StartNew(Sample, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public static ReleaseRecord Begin(CloudLab lab, Guid workspace)
    {
        var record = new ReleaseRecord(lab, workspace);
        record._listens.Task.Wait(TestContext.Current.CancellationToken);
        return record;
    }

    /// <summary>What was seen, when the network's end has been heard.</summary>
    public async Task<Released> EndAsync(CancellationToken cancel)
    {
        await Portal.TestKit.Until.TrueAsync("the container engine reported the network's removal", () => Interlocked.Read(ref _networkGone) > 0, cancel);
        await _end.CancelAsync();
        await Task.WhenAll(_hearing, _sampling);
        return new(_nodesGone, _networkGone, _mountLastThere, _mountGone, _ruleLastThere, _mountWithoutRule, _samples);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await Task.WhenAll(_hearing, _sampling);
        _end.Dispose();
    }

    private async Task HearAsync()
    {
        var filters = JsonSerializer.Serialize(
            new Dictionary<string, string[]>(StringComparer.Ordinal) { ["type"] = ["container", "network"], ["event"] = ["destroy"] });
        try
        {
            using var answer =
                await _lab.ContainerEngine.SendAsync(HttpMethod.Get, $"events?filters={Uri.EscapeDataString(filters)}", null, stream: true, _end.Token);
            _listens.SetResult();
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(_end.Token));
            var networks = new HashSet<string>(StringComparer.Ordinal);
            while (await lines.ReadLineAsync(_end.Token) is { } line)
            {
                using var json = JsonDocument.Parse(line);
                var (kind, at) = (json.RootElement.GetProperty("Type").GetString(), json.RootElement.GetProperty("timeNano").GetInt64());
                var attributes = json.RootElement.GetProperty("Actor").GetProperty("Attributes");
                // An event of a network carries its name and no labels; the name is computed from the workspace.
                if (kind == "container" && attributes.TryGetProperty(Owned.Workspace, out var of) && Guid.Parse(of.GetString()!).ToString("n") == _workspace)
                    Interlocked.Exchange(ref _nodesGone, at);
                else if (kind == "network"
                    && Enumerable.Range(1, 5).Any(g => attributes.GetProperty("name").GetString() == _lab.Owned.Network(Guid.Parse(_workspace), g)))
                    Interlocked.Exchange(ref _networkGone, at);
            }
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested) { }
        catch (Exception e)
        {
            _listens.TrySetException(e);
            throw;
        }
    }

    /// <summary>Each millisecond. The rule is read before the mount, so a mount seen after a missing rule is not just a release in progress.</summary>
    private void Sample()
    {
        while (!_end.Token.WaitHandle.WaitOne(1))
        {
            var before = Now();
            var rule = Directory.Exists(_lab.Mounts) && Directory.EnumerateDirectories(_lab.Mounts, $"{_workspace}-*").Any();
            var mounted = File.ReadAllText("/proc/self/mountinfo").Contains($"{_lab.Mounts}/{_workspace}-", StringComparison.Ordinal);
            var after = Now();
            if (mounted && !rule && _ruleLastThere > 0) _mountWithoutRule++;
            if (rule) _ruleLastThere = before;
            if (mounted) _mountLastThere = before;
            else if (_mountLastThere > 0 && _mountGone == 0) _mountGone = after;
            _samples++;
        }
    }

    private static long Now() => (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
}
