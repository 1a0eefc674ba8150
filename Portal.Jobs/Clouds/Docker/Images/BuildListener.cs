using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>
/// Follows one build: describes what is being done whenever that changes, estimates the progress, and keeps the builder's last lines in case
/// it fails.
/// </summary>
public sealed class BuildListener(string tag, int from, int to, IProgress<ImageProgress> progress)
{
    private readonly Queue<string> _last = new();
    private readonly Lock _one = new();
    private ImageProgress? _told;
    private int _percent;
    private double _within;
    private string? _doing;

    /// <summary>What is shown before the first line of output.</summary>
    public string Beginning { get; init; } = "beginning";

    /// <summary>The remedy if the container engine refuses for a reason that neither time nor free space fixes.</summary>
    public string WhenRefused { get; init; } =
        "Check the build output and fix the image recipe; the image is rebuilt when the recipe changes or the portal starts.";

    /// <summary>An error that the container engine reported inside a response that began as a success.</summary>
    public string? Error { get; private set; }

    /// <summary>The image that an import made.</summary>
    public string? ImportedId { get; private set; }

    /// <summary>Some of the container engine's response has arrived.</summary>
    public void Hear(JSONMessage message)
    {
        Error = message.Error?.Message ?? Error;
        if (message.Status is { } status && status.StartsWith("sha256:", StringComparison.Ordinal))
        {
            ImportedId = status.Trim();
        }

        foreach (var line in ForeignText.Lines(message.Stream ?? message.Status ?? "", int.MaxValue))
        {
            if (BuildOutput.Of(line) is { } step)
            {
                Advance((step.Now - 1.0) / step.All);
                _doing = step.ToString();
            }

            Say(line);
        }
    }

    /// <summary>A line of a program's output; each moves the progress a little closer to the given share.</summary>
    /// <param name="doing">What is being done, in plain language; null: the line itself is suitable.</param>
    public void Hear(string line, double towards, string? doing = null)
    {
        Advance(_within + (towards - _within) * 0.02);
        _doing = doing ?? line;
        Say(line);
    }

    /// <summary>A description in plain language, together with the share that is done.</summary>
    public void Reach(string line, double share)
    {
        Advance(share);
        _doing = line;
        Say(line);
    }

    /// <summary>Throws if an error was reported.</summary>
    public void Check()
    {
        if (Error is { } error)
        {
            throw Fault(error);
        }
    }

    public CloudException Fault(string error)
    {
        string last;
        lock (_one)
        {
            last = string.Join(" | ", _last);
        }

        bool Mentions(string text) => error.Contains(text, StringComparison.OrdinalIgnoreCase) || last.Contains(text, StringComparison.OrdinalIgnoreCase);
        var (fault, help) = true switch
        {
            _ when Mentions("no space left") => (CloudFault.Full,
                "Free up disk space in the container engine's data folder and in /tmp; the build will then be retried."),
            _
                when Mentions("temporary failure resolving")
                    || Mentions("could not connect")
                    || Mentions("failed to fetch")
                    || Mentions("unable to connect")
                    || Mentions("no such host")
                    || Mentions("connection refused")
                => (CloudFault.Unavailable,
                    "The package source or registry cannot be reached from this machine: "
                    + "fix the network or the machine's apt sources; the build will then be retried."),
            _ => (CloudFault.Refused, WhenRefused),
        };
        return ContainerEngineFaults.Make(fault, $"image {tag}: {error}{(last.Length > 0 ? $" — after: {last}" : "")}", help);
    }

    private void Advance(double share)
    {
        _within = Math.Clamp(share, _within, 1);
        _percent = from + (int)((to - from) * _within);
    }

    private void Say(string line)
    {
        lock (_one)
        {
            _last.Enqueue(ForeignText.Clean(line, 300));
            if (_last.Count > 4)
            {
                _last.Dequeue();
            }

            var now = new ImageProgress(Math.Max(from, _percent), _doing ?? Beginning);
            if (now == _told)
            {
                return;
            }

            _told = now;
            progress.Report(now); // inside the lock, so that the newest is reported last
        }
    }
}
