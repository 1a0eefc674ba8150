using System.Collections.Concurrent;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// The stacks that are being made. One of them is looked at itself, which costs Heat much less than a look at the project, as long as there are calls left:
/// a launch alone is then noticed sooner, and sixty at once cost a few calls a second more than the project's list.
/// </summary>
/// <param name="most">Calls in one second.</param>
/// <param name="mostStacks">After so many, all are forgotten; they are listed again.</param>
internal sealed class MakingStacks(Heat heat, TimeProvider clock, int most, int mostStacks)
{
    private readonly ConcurrentDictionary<StackKey, HeatStack> _stacks = new();
    private readonly CallBudget _calls = new(clock);

    /// <summary>Remembers a stack that was seen in progress. True if it may be looked at closely, for now.</summary>
    public bool Keep(StackKey key, HeatStack stack)
    {
        if (_stacks.Count > mostStacks) _stacks.Clear();
        _stacks[key] = stack;
        return _calls.TryCall(most);
    }

    /// <summary>A remembered stack as it is now; null if none is, if it is gone, or if there is no call left. Forgotten once it is not in progress.</summary>
    public async Task<HeatStack?> LookAsync(StackKey key, CancellationToken cancel)
    {
        if (!_stacks.TryGetValue(key, out var known) || !_calls.TryCall(most)) return null;
        var stack = await heat.StackAsync(known, cancel);
        if (stack is not { IsInProgress: true }) _stacks.TryRemove(key, out _);
        return stack;
    }
}
