using System.Text;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>A command inside a running container, as the container's own user: arguments unchanged, no shell.</summary>
internal static class NodeCommand
{
    private const int LastLines = 20;
    private static readonly ReadLimit Output = new(1 << 20, TimeSpan.FromMinutes(1));

    /// <summary>Its exit code and last lines. Refused if it writes more than a mebibyte, TimedOut if it does not end within a minute.</summary>
    /// <param name="node">How messages name the container.</param>
    public static async Task<CommandResult> RunAsync(
        ContainerEngine containerEngine, string container, string node, IReadOnlyList<string> command, TimeProvider clock, CancellationToken cancel)
    {
        try
        {
            return await containerEngine.CallAsync(async c =>
            {
                var wanted = new ContainerExecCreateParameters { AttachStdout = true, AttachStderr = true, Cmd = [.. command] };
                var made = await c.Exec.CreateContainerExecAsync(container, wanted, cancel);
                using var all = new MemoryStream();
                using (var output = await c.Exec.StartContainerExecAsync(made.ID, new ContainerExecStartParameters(), cancel))
                {
                    await new ForeignReader(clock).ToEndAsync(
                        Output, async (buffer, until) => (await output.ReadOutputAsync(buffer, 0, buffer.Length, until)).Count,
                        part => all.Write(part.Span), cancel);
                }

                var ended = await c.Exec.InspectContainerExecAsync(made.ID, cancel);
                var text = Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length);
                return new CommandResult((int)(ended.ExitCode ?? -1), string.Join('\n', ForeignText.Lines(text, LastLines)));
            }, cancel);
        }
        catch (ReadLimitException e)
        {
            var (fault, what) = e.TooLong
                ? (CloudFault.Refused, $"the command on {node} wrote more than {Output.Bytes >> 20} MiB")
                : (CloudFault.TimedOut, $"the command on {node} did not finish within {Output.Time.TotalSeconds:0} s");
            throw ContainerEngineFaults.Make(fault, what, "Check what is running on this node.", e);
        }
    }
}
