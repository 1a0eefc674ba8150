namespace Portal.E2E.Journeys;

/// <summary>What the processes of an installation do with the machine.</summary>
public sealed class Processes
{
    /// <summary>A process that watches for changed settings watches every folder below its own, which may be the whole machine.</summary>
    [Theory]
    [InlineData("web")]
    [InlineData("jobs")]
    public void Process_WatchesNoFiles(string program)
    {
        Assert.SkipUnless(Machine.IsKnown, "PORTAL_STATE is not set: there are no processes to look at.");
        var descriptors = Directory.GetFiles($"/proc/{Machine.ProcessOf(program)}/fdinfo");

        descriptors.ShouldNotBeEmpty();
        descriptors.Sum(WatchesOf).ShouldBe(0);
    }

    private static int WatchesOf(string descriptor)
    {
        try { return File.ReadLines(descriptor).Count(l => l.StartsWith("inotify ", StringComparison.Ordinal)); }
        catch (IOException) { return 0; } // closed in the meantime
    }
}
