using System.Collections.Immutable;
using Portal.Core.Catalog;
using Portal.Core.Offers;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Tests.Pages;

/// <summary>Values of the kind that Core's feeds give, at <see cref="PageTest.Now"/>.</summary>
internal static class Views
{
    public static readonly Guid Me = Guid.Parse("00000000-0000-0000-0000-00000000000a");
    public static readonly Guid ClassId = Guid.Parse("00000000-0000-0000-0000-0000000000c1");

    public static readonly TemplateSpec Notebook = new(
        "notebook", "Notebook", "JupyterLab on a machine of your own.", "JupyterLab", "4",
        [new("s", "Small", "Exercises.", 1, 1024), new("m", "Medium", "Some data.", 2, 2048), new("l", "Large", "More data.", 4, 4096)],
        [new("notebook", "python", ["start-notebook"], ImmutableDictionary<string, string>.Empty, "TOKEN")],
        [new("lab", "Notebook", "JupyterLab with terminal and files", "notebook", 8888, "/lab", true)]);

    /// <summary>Three kinds of nodes, workers to choose, a setting of each type, one that depends on another.</summary>
    public static readonly TemplateSpec Spark = new(
        "spark", "Spark", "A cluster of your own.", "Apache Spark", "4",
        [new("s", "Small", "Exercises.", 1, 512), new("m", "Medium", "Millions of rows.", 2, 1024)],
        [
            new("notebook", "spark", ["start-notebook"], ImmutableDictionary<string, string>.Empty, "TOKEN"),
            new("master", "spark", ["start-master"], ImmutableDictionary<string, string>.Empty, null),
            new("worker", "spark", ["start-worker"], ImmutableDictionary<string, string>.Empty, null) { Workers = new(1, 8, 2), ScratchGib = 1 },
        ],
        [new("lab", "Notebook", "JupyterLab with PySpark", "notebook", 8888, "/lab", true),
            new("ui", "Spark", "Applications and their stages", "master", 8080, "/", false),
            new("worker", "Worker", "Its executors", "worker", 8081, "/", false)])
    {
        Parameters =
        [
            new("shuffle", "Partitions", "More for large tables.", ParameterType.Number, "SHUFFLE", "8") { Min = 1, Max = 2000 },
            new("share", "Memory of a task", "", ParameterType.Choice, "SHARE", "half") { Options = [new("half", "Half"), new("all", "All of it")] },
            new("zone", "Time zone", "", ParameterType.Choice, "ZONE", "UTC")
            {
                Options = [.. ((string[])["UTC", "Europe/Berlin", "Europe/London", "Asia/Tokyo", "America/Lima"]).Select(z => new OptionSpec(z, z))]
            },
            new("keep", "Keep tables", "In your work folder.", ParameterType.Switch, "KEEP", "true"),
            new("store", "Name of the store", "Letters only.", ParameterType.Text, "STORE", "tables")
            {
                Pattern = "[a-z]+",
                Longest = 12,
                When = new("keep", "true")
            },
        ],
        Presets =
        [
            new("first", "First steps", "Quickly there.", "s", 1, ImmutableDictionary<string, string>.Empty),
            new("big", "Large tables", "Many partitions.", "m", 4, new Dictionary<string, string> { ["shuffle"] = "64", ["keep"] = "true" }),
        ],
    };

    public static readonly ClassView Class = new(ClassId, "Data science 101", "Informatics", 12, 2,
    [
        new(QuotaLevel.Tenant, "Informatics", new(64, 98304, 400, 200), new(10, 20480, 40, 12)),
        new(QuotaLevel.Class, "Data science 101", new(48, 73728, 200, 100), new(8, 16384, 30, 10)),
        new(QuotaLevel.Member, "", new(6, 8192, 4, 4), new(3, 3072, 2, 2)),
    ]);

    public static WorkspaceView Workspace(WorkspaceStatus status, string name = "notebook-1") => new()
    {
        Id = Guid.Parse("00000000-0000-0000-0000-0000000000e1"),
        Slug = "abcdefghij",
        Name = name,
        TenantId = Guid.Empty,
        ClassId = ClassId,
        ClassTitle = Class.Title,
        OwnerId = Me,
        OwnerName = "Ada Lovelace",
        Template = Notebook,
        Size = Notebook.Sizes[1],
        Generation = 1,
        Status = status,
        Since = PageTest.Now.AddMinutes(-5),
        CreatedAt = PageTest.Now.AddMinutes(-6),
        EndAt = PageTest.Now.AddHours(3),
        LongestHours = 12,
        Run = Run(KindOf(status), PhaseOf(status)),
        Folder = new(1L << 30, 2L << 30, true),
        Log = [new(1, PageTest.Now.AddMinutes(-6), LogLineSeverity.Info, "Requested: Notebook, size Medium.")],
        Nodes = status is WorkspaceStatus.Ready ? [Node()] : [],
    };

    /// <summary>A cluster with a notebook, a master and two workers.</summary>
    public static WorkspaceView Cluster(WorkspaceStatus status, params NodeView[] nodes) =>
        Workspace(status, "spark-1") with { Template = Spark, Size = Spark.Sizes[0], Workers = 2, Nodes = [.. nodes] };

    public static NodeView Node(string name, bool running = true) =>
        Node() with { Name = name, Role = name.TrimEnd('0', '1'), Running = running, ExitCode = running ? null : 1 };

    public static NodeView Node() => new("notebook", "notebook", true, null, 0, [.1, .4, .25], 0, 512L << 20, 2L << 30, 37, PageTest.Now);

    public static RunView Run(RunKind kind, RunPhase phase) => new(1, 1, kind, phase, false,
    [
        new(StepKey.CheckOrder, PageTest.Now.AddSeconds(-20), PageTest.Now.AddSeconds(-19.5), TimeSpan.FromSeconds(.4), false),
        new(StepKey.EnsureWorkFolder, PageTest.Now.AddSeconds(-19), PageTest.Now.AddSeconds(-18), TimeSpan.FromSeconds(1), false),
        new(StepKey.EnsureCluster, PageTest.Now.AddSeconds(-6), phase is RunPhase.Succeeded ? PageTest.Now : null, TimeSpan.FromSeconds(2),
            phase is RunPhase.Failed),
        new(StepKey.ProveNotebook, null, null, null, false),
    ], phase is RunPhase.Active ? "The engine is pulling." : null, phase is RunPhase.Failed ? "The disk of the engine is full." : null,
        phase is RunPhase.Failed ? "Tell the operator." : null,
        phase is RunPhase.Failed ? StepKey.EnsureCluster : null, PageTest.Now.AddSeconds(-20), phase.IsFinished() ? PageTest.Now : null);

    public static HomeView Home(params WorkspaceView[] workspaces) => new(Me, "Ada Lovelace", [Class], [.. workspaces]);

    public static CatalogCard Card(string? notAvailable = null, int? building = null, TimeSpan? usual = null) =>
        new(Guid.Parse("00000000-0000-0000-0000-0000000000f1"), Notebook, notAvailable, building, building is null ? null : "Installing JupyterLab", usual);

    private static RunKind KindOf(WorkspaceStatus status) => status switch
    {
        WorkspaceStatus.Stopping or WorkspaceStatus.Stopped => RunKind.Stop,
        WorkspaceStatus.Deleting or WorkspaceStatus.Deleted => RunKind.Delete,
        _ => RunKind.Launch,
    };

    private static RunPhase PhaseOf(WorkspaceStatus status) => status switch
    {
        WorkspaceStatus.Queued => RunPhase.Queued,
        WorkspaceStatus.Starting or WorkspaceStatus.Stopping or WorkspaceStatus.Deleting => RunPhase.Active,
        WorkspaceStatus.Failed => RunPhase.Failed,
        _ => RunPhase.Succeeded,
    };
}
