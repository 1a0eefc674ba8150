using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>Small operations shared by several parts of this folder.</summary>
public static class ContainerEngineTasks
{
    /// <summary>Concurrent removals, and one that comes too late, are not faults.</summary>
    public static async Task IfThereAsync(Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (CloudException e)
            when (e.Fault == CloudFault.Missing || (e.Fault == CloudFault.Conflict && e.Message.Contains("already in progress", StringComparison.Ordinal)))
        {
            // gone, or going
        }
    }

    /// <summary>Timeout for one container of many: longer than a busy container engine takes, so that little stays unknown.</summary>
    public static readonly TimeSpan PatienceWithOne = TimeSpan.FromSeconds(5);

    /// <summary>
    /// A query about one container of many. A container engine may never answer for one that hangs: what does not arrive in time, or fails, stays
    /// unknown this time (default), so that it does not delay the others.
    /// </summary>
    public static async Task<T?> OfOneAsync<T>(TimeProvider time, Func<CancellationToken, Task<T?>> read, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(PatienceWithOne, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        try
        {
            return await read(either.Token);
        }
        catch (Exception e) when (e is CloudException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return default;
        }
    }

    /// <summary>Creates a container; refuses if the container engine would ignore one of its limits.</summary>
    public static async Task<string> CreateAsync(this ContainerEngine containerEngine, CreateContainerParameters wanted, CancellationToken cancel)
    {
        var made = await containerEngine.CallAsync(c => c.Containers.CreateContainerAsync(wanted, cancel), cancel);
        if (made.Warnings is not { Count: > 0 } warnings)
        {
            return made.ID;
        }

        await containerEngine.RemoveAsync(made.ID, cancel);
        throw ContainerEngineFaults.Make(CloudFault.Refused, $"it would ignore a limit: {string.Join("; ", warnings)}",
            "Enable this limit (a cgroup controller) on the host.");
    }

    public static Task RemoveAsync(this ContainerEngine containerEngine, string container, CancellationToken cancel) =>
        IfThereAsync(() =>
            containerEngine.CallAsync(c =>
                c.Containers.RemoveContainerAsync(container, new ContainerRemoveParameters { Force = true, RemoveVolumes = true }, cancel), cancel));

    public static async Task<IList<ContainerListResponse>> ListAsync(this ContainerEngine containerEngine,
        IDictionary<string, IDictionary<string, bool>> filters, CancellationToken cancel) =>
        await containerEngine.CallAsync(c => c.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = filters }, cancel), cancel);
}

/// <summary>Unlike Progress&lt;T&gt;, which passes reports to the thread pool and so changes their order, this one calls synchronously.</summary>
public sealed class SynchronousProgress<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}
