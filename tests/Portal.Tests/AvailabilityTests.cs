using Portal.Core.Catalog;
using Portal.Core.Clouds;

namespace Portal.Tests;

public sealed class AvailabilityTests
{
    private static readonly TemplateSpec Spec =
        new("notebook", "Notebook", "", "jupyter", "1", [], [new("notebook", "python", [], new Dictionary<string, string>(StringComparer.Ordinal), null)], []);

    private static ImageRow[] Images(ImageState state) =>
        [new() { PoolKey = "local", Name = "python", State = state, Percent = 40, Message = "no space left" }];

    [Fact]
    public void Reason_ImageReady_IsNone() => Availability.Reason(Spec, Images(ImageState.Ready)).ShouldBeNull();

    [Theory]
    [InlineData(ImageState.Missing, "not been built yet")]
    [InlineData(ImageState.Building, "40%")]
    [InlineData(ImageState.Failed, "no space left")]
    public void Reason_ImageNotReady_SaysHowItStands(ImageState state, string words) => Availability.Reason(Spec, Images(state))!.ShouldContain(words);

    /// <summary>Students are not shown what only an operator can do.</summary>
    [Fact]
    public void Reason_ImageFailed_LeavesTheRemedyToTheOperators()
    {
        var images = Images(ImageState.Failed);
        (images[0].Message, images[0].Remedy) =
            ("Packages: spark is missing, and pip cannot fetch it: no package server responds.", "Name a mirror in /etc/pip.conf.");

        Availability.Reason(Spec, images).ShouldBe(
            "Its image could not be built. Packages: spark is missing, and pip cannot fetch it: no package server responds. "
            + "The Operations page says how to fix it.");
    }

    [Fact]
    public void Reason_ImageThatNobodySpokeOfYet_IsNotBuilt() =>
        Availability.Reason(Spec, [])!.ShouldContain("not been built yet");

    [Fact]
    public void Reason_PoolThatIsUnavailable_SaysWhyAndTheRemedy() => Availability.Reason(new Pool
    {
        Key = "local",
        CloudKey = "local",
        Title = "This host",
        Clusters = new(false, "It does not answer.", "Start it."),
        Storage = new(true, "btrfs", null),
        SeenAt = DateTimeOffset.UnixEpoch,
    }).ShouldBe("It does not answer. Start it.");

    [Fact]
    public void Reason_PoolThatNobodyHasSeenYet_IsNone() =>
        Availability.Reason(new Pool { Key = "local", CloudKey = "local", Title = "This host" }).ShouldBeNull();

    /// <summary>Pages show the remedy after the cause: two sentences.</summary>
    [Theory]
    [InlineData("image 'spark' needs an archive, which is missing here", "engine: image 'spark' needs an archive, which is missing here.")]
    [InlineData("it said: stopped.", "engine: it said: stopped.")]
    [InlineData("no route (110)", "engine: no route (110).")]
    public void Fault_OfACloud_IsASentence(string message, string sentence) =>
        new CloudException("engine", CloudFault.Refused, message, "Put it there.").Message.ShouldBe(sentence);
}
