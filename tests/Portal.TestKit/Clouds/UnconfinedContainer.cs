using System.Globalization;
using Docker.DotNet.Models;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;

namespace Portal.TestKit.Clouds;

/// <summary>
/// An ordinary container without the guards of a node: attempts that a node refuses succeed in it, which shows that the guard refuses them and
/// that the attempts are right. The lab removes it.
/// </summary>
public sealed class UnconfinedContainer : IAsyncDisposable
{
    private readonly CloudLab _lab;
    private readonly string _id;

    private UnconfinedContainer(CloudLab lab, string id) => (_lab, _id) = (lab, id);

    /// <param name="capable">With root's capabilities and the kernel's files as the host sees them; else it lacks the seccomp profile alone.</param>
    /// <param name="work">Host folder that is mounted at /home/student/work.</param>
    /// <param name="change">What else differs.</param>
    public static async Task<UnconfinedContainer> StartAsync(
        CloudLab lab, string name, int uid, bool capable, string? work = null, Action<HostConfig>? change = null)
    {
        var parameters = new CreateContainerParameters
        {
            Name = $"portal-{lab.Id}-{name}-{(capable ? "capable" : "unconfined")}",
            Image = await lab.PythonAsync(),
            User = string.Create(CultureInfo.InvariantCulture, $"{uid}:{uid}"),
            Entrypoint = ["sleep"],
            Cmd = ["infinity"],
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { [Owned.Installation] = lab.Id },
            HostConfig = new HostConfig
            {
                NetworkMode = "none",
                CapDrop = ["ALL"],
                CapAdd = capable ? ["SYS_ADMIN", "SYS_CHROOT", "SYSLOG", "DAC_READ_SEARCH", "DAC_OVERRIDE", "FOWNER", "NET_RAW", "SETUID", "SETGID"] : [],
                SecurityOpt = capable ? ["seccomp=unconfined"] : ["no-new-privileges", "seccomp=unconfined"],
                MaskedPaths = capable ? [] : null!, // null: those that the container engine hides
                ReadonlyPaths = capable ? [] : null!,
                Tmpfs = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["/home/student"] = string.Create(CultureInfo.InvariantCulture, $"uid={uid},mode=700"),
                },
                Mounts =
                [
                    .. work is null ? Array.Empty<Mount>() : [new Mount { Type = "bind", Source = work, Target = "/home/student/work" }],
                    .. capable ? [new Mount { Type = "bind", Source = "/sys/fs/cgroup", Target = "/sys/fs/cgroup" }] : Array.Empty<Mount>(),
                ],
            },
        };
        change?.Invoke(parameters.HostConfig);
        var id = await lab.ContainerEngine.CreateAsync(parameters, CancellationToken.None);
        await lab.ContainerEngine.CallAsync(c => c.Containers.StartContainerAsync(id, new ContainerStartParameters()), CancellationToken.None);
        return new UnconfinedContainer(lab, id);
    }

    /// <summary>Its first process, as the host numbers it.</summary>
    public async Task<long> ProcessAsync() =>
        (await _lab.ContainerEngine.CallAsync(c => c.Containers.InspectContainerAsync(_id, CancellationToken.None), CancellationToken.None)).State!.Pid;

    /// <summary>A Python program's output lines, both streams.</summary>
    public Task<string[]> PythonAsync(string program) => RunAsync("python3", "-c", program);

    /// <summary>The same of any command.</summary>
    public async Task<string[]> RunAsync(params string[] command)
    {
        var wanted = new ContainerExecCreateParameters { AttachStdout = true, AttachStderr = true, Cmd = command };
        var exec = await _lab.ContainerEngine.CallAsync(c => c.Exec.CreateContainerExecAsync(_id, wanted), CancellationToken.None);
        using var output =
            await _lab.ContainerEngine.CallAsync(c => c.Exec.StartContainerExecAsync(exec.ID, new ContainerExecStartParameters()), CancellationToken.None);
        var (stdout, stderr) = await output.ReadOutputToEndAsync(CancellationToken.None);
        return $"{stdout}{stderr}".Trim().Split('\n');
    }

    public async ValueTask DisposeAsync() => await _lab.ContainerEngine.RemoveAsync(_id, CancellationToken.None);
}
