using System.Text;
using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>A command inside a running container, as the container's own user: arguments as they are, no shell.</summary>
internal static class NodeCommand
{
    private const int MostBytes = 64 << 10, LastLines = 20;

    public static Task<CommandResult> RunAsync(Engine engine, string container, IReadOnlyList<string> command, CancellationToken cancel) => engine.AskAsync(async c =>
    {
        var made = await c.Exec.CreateContainerExecAsync(container, new ContainerExecCreateParameters { AttachStdout = true, AttachStderr = true, Cmd = [.. command] }, cancel);
        var said = new StringBuilder();
        using (var output = await c.Exec.StartContainerExecAsync(made.ID, new ContainerExecStartParameters(), cancel))
        {
            var buffer = new byte[16 << 10];
            while (await output.ReadOutputAsync(buffer, 0, buffer.Length, cancel) is { EOF: false } read)
            {
                if (said.Length < MostBytes)
                {
                    said.Append(Encoding.UTF8.GetString(buffer, 0, read.Count));
                }
            }
        }

        var ended = await c.Exec.InspectContainerExecAsync(made.ID, cancel);
        return new CommandResult((int)(ended.ExitCode ?? -1), string.Join('\n', NodeLogs.Lines(said.ToString(), LastLines)));
    }, cancel);
}
