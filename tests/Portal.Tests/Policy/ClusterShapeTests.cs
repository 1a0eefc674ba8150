using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Tests.Policy;

/// <summary>Nodes, apps and amounts of a template with workers, and what its parameters allow.</summary>
public sealed class ClusterShapeTests
{
    private static readonly IReadOnlyDictionary<string, string> Nothing = new Dictionary<string, string>(StringComparer.Ordinal);

    internal static TemplateSpec Cluster { get; } = new("spark", "Spark", "", "Spark", "4",
        [new("s", "Small", "", 1, 1024), new("m", "Medium", "", 2, 2048)],
        [
            new("master", "spark", ["start-spark", "master"], Nothing, null)
            {
                ScratchGib = 1,
                Sizes = new Dictionary<string, NodeSize>(StringComparer.Ordinal) { ["s"] = new(1, 768), ["m"] = new(1, 768) }
            },
            new("worker", "spark", ["start-spark", "worker"], Nothing, null) { ScratchGib = 2, Workers = new(1, 6, 2) },
            new("notebook", "spark", ["start-spark", "notebook"], Nothing, "TOKEN"),
        ],
        [new("lab", "Notebook", "", "notebook", 8888, "/lab", true), new("master", "Spark", "", "master", 8080, "/", false),
            new("node", "Worker", "", "worker", 8081, "/", false)])
    {
        Parameters =
        [
            new("mode", "Mode", "", ParameterType.Choice, "MODE", "plain") { Options = [new("plain", "Plain"), new("fancy", "Fancy")] },
            new("level", "Level", "", ParameterType.Number, "LEVEL", "3") { Min = 1, Max = 9, When = new("mode", "fancy") },
            new("label", "Label", "", ParameterType.Text, "LABEL", "x") { Pattern = "[a-z]*", Longest = 10 },
        ],
    };

    [Fact]
    public void Nodes_OfASizeAndWorkers_AreNamedAndSized()
    {
        var nodes = Cluster.Nodes("m", 3);
        nodes.Select(n => n.Name).ShouldBe(["master", "worker0", "worker1", "worker2", "notebook"]);
        nodes.Select(n => n.Size).ShouldBe([new(1, 768), new(2, 2048), new(2, 2048), new(2, 2048), new(2, 2048)]);
        Cluster.Amounts("m", 3).ShouldBe(new Amounts(9, 768 + 4 * 2048, 1 + 3 * 2, 0));
        Cluster.Nodes("huge", 3).ShouldBeEmpty();
    }

    [Fact]
    public void Apps_OfTheWorkerRole_AreOneAWorker() =>
        Cluster.AppsOnNodes(2).Select(a => (a.Id, a.Node)).ShouldBe([("lab", "notebook"), ("master", "master"), ("node-0", "worker0"), ("node-1", "worker1")]);

    [Fact]
    public void Nodes_OfACountedRole_AreThatManyWhateverTheWorkers()
    {
        var keepers = Cluster with
        {
            Roles = [.. Cluster.Roles, new("keeper", "spark", ["keep"], Nothing, null) { Count = 3, ScratchGib = 1 }],
            Apps = [.. Cluster.Apps, new("log", "Log", "", "keeper", 8485, "/", false)],
        };

        keepers.Nodes("s", 1).Select(n => n.Name).ShouldBe(["master", "worker0", "notebook", "keeper0", "keeper1", "keeper2"]);
        keepers.Amounts("s", 1).ShouldBe(Cluster.Amounts("s", 1) + new Amounts(3, 3 * 1024, 3, 0));
        keepers.AppsOnNodes(1)
            .Where(a => a.Spec.Role == "keeper")
            .Select(a => (a.Id, a.Node))
            .ShouldBe([("log-0", "keeper0"), ("log-1", "keeper1"), ("log-2", "keeper2")]);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(6, true)]
    [InlineData(7, false)]
    public void Allows_OutsideOfTheRange_IsFalse(int workers, bool allowed) => Cluster.Allows(workers).ShouldBe(allowed);

    [Fact]
    public void Others_AskedForTooMuch_OffersFewerWorkersBeforeSmallerNodes()
    {
        var others = OtherChoices.Of(Cluster, new("m", 4), Amounts.None).Select(o => o.Choice).ToList();
        others.Take(3).ShouldBe([new("m", 3), new("m", 2), new("m", 1)]);
        others[3].ShouldBe(new("s", 4));
        others.ShouldNotContain(o => o.Workers > 4);
    }

    [Theory]
    [InlineData(int.MaxValue, 6)]
    [InlineData(-1, 0)]
    [InlineData(int.MinValue, 0)]
    public void Shape_NumberBeyondAllMeasure_CountsOutNoMoreThanTheRoleCanHave(int workers, int counted)
    {
        Cluster.Nodes("s", workers).Count.ShouldBe(2 + counted);
        Cluster.AppsOnNodes(workers).Count.ShouldBe(2 + counted);
        OtherChoices.Of(Cluster, new("s", workers), Amounts.None).ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("mode", "plain", null)]
    [InlineData("mode", "other", ParameterMistake.NotAnOption)]
    [InlineData("level", "12", null)] // not used while the mode is plain
    [InlineData("level", "1\0", ParameterMistake.NotAllowed)] // but stored
    [InlineData("level", null, ParameterMistake.NotAllowed)]
    [InlineData("label", "abc", null)]
    [InlineData("label", "a$(reboot)", ParameterMistake.NotAllowed)]
    [InlineData("label", "abc\n", ParameterMistake.NotAllowed)]
    [InlineData("label", "abcdefghijk", ParameterMistake.TooLong)]
    [InlineData("label", null, ParameterMistake.NotAllowed)]
    [InlineData("mode", null, ParameterMistake.NotAnOption)]
    [InlineData("PATH", "/tmp", ParameterMistake.Unknown)]
    public void Fault_OneValue_IsItsMistake(string id, string? value, ParameterMistake? mistake) =>
        Assert.Equal(mistake, ParameterPolicy.Fault(Cluster, new Dictionary<string, string>(StringComparer.Ordinal) { [id] = value! })?.Mistake);

    [Theory]
    [InlineData("12", ParameterMistake.TooLarge)]
    [InlineData("0", ParameterMistake.TooSmall)]
    [InlineData("2.5", ParameterMistake.NotWhole)]
    [InlineData("2.", ParameterMistake.NotWhole)]
    [InlineData("1e3", ParameterMistake.NotANumber)]
    [InlineData("NaN", ParameterMistake.NotANumber)]
    public void Fault_NumberThatIsUsed_IsItsMistake(string value, ParameterMistake mistake) =>
        ParameterPolicy.Fault(Cluster, new Dictionary<string, string>(StringComparer.Ordinal) { ["mode"] = "fancy", ["level"] = value })!.ShouldBe(
            new("level", mistake, mistake is ParameterMistake.NotANumber or ParameterMistake.NotWhole
                ? null
                : mistake is ParameterMistake.TooLarge
                ? "9"
                : "1"));

    [Fact]
    public void Environment_HasOnlyWhatIsUsed()
    {
        ParameterPolicy.Environment(Cluster, Nothing).Keys.Order().ShouldBe(["LABEL", "MODE"]);
        ParameterPolicy.Environment(Cluster, new Dictionary<string, string>(StringComparer.Ordinal) { ["mode"] = "fancy" })["LEVEL"].ShouldBe("3");
    }
}
