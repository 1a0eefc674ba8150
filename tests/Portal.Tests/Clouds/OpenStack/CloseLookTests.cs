using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>A stack that is being made is looked at itself, as long as that costs the cloud little.</summary>
public sealed class CloseLookTests : RecordedStackTest
{
    [Fact]
    public async Task Stack_BeingMade_IsLookedAtItselfAndSoonAgain()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().LookAgainIn.ShouldBeLessThan(StackLook.Tick);
        Cloud.Requests.Clear();

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().LookAgainIn.ShouldBeLessThan(StackLook.Tick);

        Looks().ShouldBe((1, 0));
    }

    [Fact]
    public async Task Stack_SeenComplete_IsDoneAlthoughTheListStillShowsItInProgress()
    {
        await MadeAsync();
        Rows[0] = Stack("s1", "CREATE_IN_PROGRESS");
        await WorkingAsync();
        Rows[0] = Stack("s1", "CREATE_COMPLETE");

        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>();

        Looks().Lists.ShouldBe(1);
        (await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Done>("asked again, it does not go back to the old list");
    }

    [Fact]
    public async Task Stack_SomebodyDeletedWhileItWasBeingMade_IsMadeAgain()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        await WorkingAsync();
        Rows.Clear();
        Cloud.On($"GET {One}", 404, """{"error": {"message": "The Stack could not be found."}}""");
        await NextTickAsync();

        await WorkingAsync();

        Changes().ShouldContain($"POST {Heat}");
    }

    /// <summary>Whoever gets no call waits for the list, and comes back as rarely as it is made.</summary>
    [Fact]
    public async Task Looks_BeyondTheBudget_AreThoseAtTheProject()
    {
        Rows.Add(Stack("s1", "CREATE_IN_PROGRESS"));
        var (began, waits) = (TimeProvider.System.GetTimestamp(), new List<TimeSpan>());

        for (var i = 0; i < 4 * Stacks.CloseLooks; i++) waits.Add((await EnsureAsync()).ShouldBeOfType<EnsureAnswer.Working>().LookAgainIn);

        var seconds = (int)TimeProvider.System.GetElapsedTime(began).TotalSeconds + 1;
        Looks().One.ShouldBeInRange(1, seconds * Stacks.CloseLooks);
        waits.Count(w => w < StackLook.Tick).ShouldBeInRange(1, seconds * Stacks.CloseLooks);
        waits.ShouldContain(StackLook.Tick);
    }

    private (int One, int Lists) Looks() => (Cloud.Requests.Count(r => r.Method == "GET" && r.Path == One),
        Cloud.Requests.Count(r => r.Path == Heat || r.Path == $"{Nova}/servers/detail") / 2);
}
