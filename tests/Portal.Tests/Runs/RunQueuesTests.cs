using CsCheck;
using Portal.Jobs.Runs;

namespace Portal.Tests.Runs;

/// <summary>The queue of each pool.</summary>
public sealed class RunQueuesTests
{
    [Theory]
    [InlineData("local", "runs-local")]
    [InlineData("openstack-2", "runs-openstack-2")]
    [InlineData("Physics/A_1", "runs-_50hysics_2f_41_5f1")]
    [InlineData("ü", "runs-_c3_bc")]
    public void NameOf_AKey_IsReadableAsFarAsQueuesAllow(string pool, string queue) => RunQueues.NameOf(pool).ShouldBe(queue);

    [Fact]
    public void NameOf_AnyTwoKeys_AreNamesThatHangfireTakesAndDiffer() => Gen.Select(Keys, Keys).Sample((one, other) =>
    {
        new Hangfire.States.EnqueuedState(RunQueues.NameOf(one)).Queue.ShouldNotBe(RunQueues.OfUnknownPools);
        (RunQueues.NameOf(one) == RunQueues.NameOf(other)).ShouldBe(one == other);
    });

    private static readonly Gen<string> Keys = Gen.OneOf(Gen.String[Gen.Char["ab_5f-"], 0, 4], Gen.String[Gen.Char['\u0001', '\ud7ff'], 0, 4]);
}
