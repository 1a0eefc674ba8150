using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Small steps that several parts of this room take.</summary>
public static class EngineTasks
{
    /// <summary>Two removers at once, or one that came too late, are no fault.</summary>
    public static async Task IfThereAsync(Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (CloudException e) when (e.Fault == CloudFault.Missing || (e.Fault == CloudFault.Conflict && e.Message.Contains("already in progress", StringComparison.Ordinal)))
        {
            // gone, or going
        }
    }

    /// <summary>How long one container of many is waited for: longer than a busy engine takes, so that little is unknown.</summary>
    public static readonly TimeSpan PatienceWithOne = TimeSpan.FromSeconds(5);

    /// <summary>
    /// A question about one container of many. An engine may never answer for one that hangs: what does not come in time, or is a fault, stays
    /// unknown this time (default), so that it delays no other.
    /// </summary>
    public static async Task<T?> OfOneAsync<T>(TimeProvider time, Func<CancellationToken, Task<T?>> ask, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(PatienceWithOne, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        try
        {
            return await ask(either.Token);
        }
        catch (Exception e) when (e is CloudException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return default;
        }
    }

    /// <summary>Creates; refuses a container of which the engine would drop a limit.</summary>
    public static async Task<string> CreateAsync(this Engine engine, CreateContainerParameters wanted, CancellationToken cancel)
    {
        var made = await engine.AskAsync(c => c.Containers.CreateContainerAsync(wanted, cancel), cancel);
        if (made.Warnings is not { Count: > 0 } warnings)
        {
            return made.ID;
        }

        await engine.RemoveAsync(made.ID, cancel);
        throw EngineFaults.Make(CloudFault.Refused, $"it would drop a limit: {string.Join("; ", warnings)}", "Enable this limit (a cgroup controller) on the host.");
    }

    public static Task RemoveAsync(this Engine engine, string container, CancellationToken cancel) =>
        IfThereAsync(() => engine.AskAsync(c => c.Containers.RemoveContainerAsync(container, new ContainerRemoveParameters { Force = true, RemoveVolumes = true }, cancel), cancel));

    public static async Task<IList<ContainerListResponse>> ListAsync(this Engine engine, IDictionary<string, IDictionary<string, bool>> filters, CancellationToken cancel) =>
        await engine.AskAsync(c => c.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = filters }, cancel), cancel);
}

/// <summary>Unlike Progress&lt;T&gt;, which hands reports to the thread pool and so changes their order, this one calls at once.</summary>
public sealed class AtOnce<T>(Action<T> act) : IProgress<T>
{
    public void Report(T value) => act(value);
}
