using System.Diagnostics;
using System.Globalization;
using Docker.DotNet.Models;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>A root file system of Debian packages, made by mmdebstrap and streamed into the container engine: no registry is needed.</summary>
internal sealed class DebianRoot(ContainerEngine containerEngine, ImagesOptions options, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>The id of the image. The caller tags it, because importing an incomplete root file system succeeds too.</summary>
    public async Task<string> MakeAsync(ImagePlan plan, BuildListener listener, CancellationToken cancel)
    {
        var recipe = plan.Recipe;
        string[] arguments =
        [
            "--variant=minbase", $"--include={string.Join(',', recipe.Packages ?? [])}",
            .. (recipe.Exclude ?? []).Select(p => $"--dpkgopt=path-exclude={p}"), .. (recipe.Include ?? []).Select(p => $"--dpkgopt=path-include={p}"),
            recipe.Suite!, "-", options.AptSources,
        ];
        using var process = Tool.Start(ContainerEngineFaults.Service, "mmdebstrap", arguments);
        try
        {
            process.StandardInput.Close();
            var messages = ListenAsync(process, listener, cancel);
            var parameters = new ImagesCreateParameters { FromSrc = "-", Changes = [.. recipe.Changes ?? [], $"LABEL portal.image={plan.Name}"] };
            await containerEngine.CallAsync(c =>
                c.Images.CreateImageAsync(parameters, process.StandardOutput.BaseStream, null, new SynchronousProgress<JSONMessage>(listener.Hear),
                    cancel), cancel);
            await messages;
            await process.WaitForExitAsync(cancel);
            if (process.ExitCode != 0)
            {
                await ForgetAsync(listener.ImportedId);
                throw listener.Fault($"mmdebstrap ended with code {process.ExitCode.ToString(CultureInfo.InvariantCulture)}");
            }

            listener.Check();
            return listener.ImportedId ?? throw listener.Fault("the container engine did not say which image it imported");
        }
        finally
        {
            await EndAsync(process);
        }
    }

    private static async Task ListenAsync(Process process, BuildListener listener, CancellationToken cancel)
    {
        while (await process.StandardError.ReadLineAsync(cancel) is { } text)
        {
            foreach (var line in ForeignText.Lines(text, int.MaxValue))
            {
                listener.Hear(line, 0.9, "installing the base system");
            }
        }
    }

    private async Task ForgetAsync(string? image)
    {
        if (image is not null)
        {
            await ContainerEngineTasks.IfThereAsync(() =>
                containerEngine.CallAsync(c => c.Images.DeleteImageAsync(image, new ImageDeleteParameters { Force = true }), CancellationToken.None));
        }
    }

    /// <summary>Gracefully first: it has mounts to remove.</summary>
    private async Task EndAsync(Process process)
    {
        if (process.HasExited)
        {
            return;
        }

        await Tool.RunAsync(ContainerEngineFaults.Service, "kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)], Patience, time,
            CancellationToken.None);
        using var deadline = new CancellationTokenSource(Patience, time);
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
        }
    }
}
