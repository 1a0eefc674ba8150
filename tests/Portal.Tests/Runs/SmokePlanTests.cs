using Portal.Jobs.Proofs;

namespace Portal.Tests.Runs;

public sealed class SmokePlanTests
{
    private static readonly SmokeOffer Notebook = new("notebook", null, false), Off = new("spark", "Its image could not be built: no room", false),
        Building = new("dask", "Its image is being built (40%).", true);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1), Settled = SmokePlan.Settling;

    [Fact]
    public void Decide_AllAvailable_ProvesAllAtOnce() =>
        Proven([Notebook, Notebook with { Template = "dask" }], [], TimeSpan.Zero).ShouldBe(["notebook", "dask"]);

    [Fact]
    public void Decide_Building_WaitsHoweverLong()
    {
        SmokePlan.Decide([Notebook, Building], [], TimeSpan.Zero).ShouldBeOfType<SmokeNext.Wait>();
        SmokePlan.Decide([Off, Building], [], TimeSpan.Zero).ShouldBeOfType<SmokeNext.Wait>();
        SmokePlan.Decide([Building], ["dask"], Settled).ShouldBeOfType<SmokeNext.Wait>();
    }

    [Fact]
    public void Decide_GreyedForAMoment_WaitsUntilItSettles()
    {
        SmokePlan.Decide([Notebook, Off], [], Soon).ShouldBeOfType<SmokeNext.Wait>();
        SmokePlan.Decide([Notebook, Off], ["spark"], Soon).ShouldBeOfType<SmokeNext.Wait>();
    }

    [Fact]
    public void Decide_NoneNamed_LeavesOutWhatIsGreyed()
    {
        var next = SmokePlan.Decide([Notebook, Off], [], Settled).ShouldBeOfType<SmokeNext.Prove>();
        next.Templates.ShouldBe(["notebook"]);
        next.LeftOut.ShouldBe([Off]);
    }

    [Fact]
    public void Decide_NamedAndGreyed_RefusesWithTheReason()
    {
        Why([Notebook, Off], ["spark"], Settled).ShouldBe("spark cannot be launched: Its image could not be built: no room");
        Proven([Notebook, Off, Building], ["notebook"], TimeSpan.Zero).ShouldBe(["notebook"], "the others do not matter");
    }

    [Fact]
    public void Decide_NothingAvailable_Refuses() => Why([Off], [], Settled).ShouldContain("no room");

    [Fact]
    public void Decide_UnknownOrEmpty_RefusesAtOnce()
    {
        Why([Notebook, Building], ["nothing"], TimeSpan.Zero).ShouldBe("There is no template nothing; the templates are: notebook, dask.");
        Why([], [], TimeSpan.Zero).ShouldContain("empty");
    }

    private static IReadOnlyList<string> Proven(SmokeOffer[] offers, string[] requested, TimeSpan still) =>
        SmokePlan.Decide(offers, requested, still).ShouldBeOfType<SmokeNext.Prove>().Templates;

    private static string Why(SmokeOffer[] offers, string[] requested, TimeSpan still) =>
        SmokePlan.Decide(offers, requested, still).ShouldBeOfType<SmokeNext.Refuse>().Why;
}
