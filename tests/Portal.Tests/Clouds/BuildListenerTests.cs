using Docker.DotNet.Models;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;

namespace Portal.Tests.Clouds;

/// <summary>What is reported of a build whose lines arrive within milliseconds, as those between two steps do.</summary>
public sealed class BuildListenerTests
{
    private readonly List<ImageProgress> _told = [];
    private readonly BuildListener _listener;

    public BuildListenerTests() => _listener = new("portal/slow:1b9d7a", 0, 100, new SynchronousProgress<ImageProgress>(_told.Add));

    [Fact]
    public void Step_AnnouncedRightAfterTheEndOfThePrevious_IsReportedThoughItWritesNothing()
    {
        Hear("Step 3/5 : RUN echo a", " ---> Running in 0d6e8f1a2b3c", "a", "Removing intermediate container 0d6e8f1a2b3c", " ---> 2a3094f835cf",
            "Step 4/5 : RUN sleep 300", " ---> Running in 1f2e3d4c5b6a");

        _told[^1].ShouldBe(new ImageProgress(60, "setting up, 4 of 5"));
    }

    [Fact]
    public void Lines_ThatChangeNothing_AreReportedOnce()
    {
        Hear("Step 1/2 : RUN make", "compiling a", "compiling b");

        _told.ShouldBe([new ImageProgress(0, "setting up, 1 of 2")]);
    }

    [Fact]
    public void Description_WithoutProgress_IsReported()
    {
        _listener.Reach("Fetching packages: 1 of 900", 0.001);
        _listener.Reach("Fetching packages: 2 of 900", 0.002);

        _told.Select(t => t.Line).ShouldBe(["Fetching packages: 1 of 900", "Fetching packages: 2 of 900"]);
    }

    private void Hear(params string[] lines)
    {
        foreach (var line in lines) _listener.Hear(new JSONMessage { Stream = $"{line}\n" });
    }
}
