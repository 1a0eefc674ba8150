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
