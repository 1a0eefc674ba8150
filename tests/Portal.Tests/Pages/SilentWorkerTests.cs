using Bunit;
using Portal.Shell;

namespace Portal.Tests.Pages;

/// <summary>There is no notification when Jobs is gone: the page finds out by its own clock.</summary>
public sealed class SilentWorkerTests : PageTest
{
    [Fact]
    public void SilentWorker_NotHeardForMinutes_SaysSinceWhenUntilItIsHeardAgain()
    {
        var line = Render<SilentWorker>(p => p.Add(s => s.HeardAt, Now));
        line.FindAll(".banner-line").ShouldBeEmpty();

        Clock.Advance(TimeSpan.FromSeconds(182));
        line.WaitForAssertion(() => line.Find(".banner-line").TextContent.ShouldContain("has not reported since 10:00. Your requests are saved"));

        line.Render(p => p.Add(s => s.HeardAt, Clock.GetUtcNow()));
        line.FindAll(".banner-line").ShouldBeEmpty();
    }

    [Fact]
    public void SilentWorker_NeverHeard_SaysNothing() => Render<SilentWorker>(p => p.Add(s => s.HeardAt, null)).FindAll(".banner-line").ShouldBeEmpty();
}
