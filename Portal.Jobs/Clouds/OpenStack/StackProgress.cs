using System.Collections.Concurrent;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// How far stacks are, in plain words, from their events. A stack's row says nothing of what happens in it, so events cost a call for each stack: there
/// are only so many calls in a second, and workspaces that nobody watches get at most half of them. Without a call the last sentence stays.
/// </summary>
internal sealed class StackProgress(Heat heat, ServerOptions options, TimeProvider clock)
{
    private const int MostStacks = 2000;
    private readonly ConcurrentDictionary<string, Known> _stacks = new(StringComparer.Ordinal);
    private readonly CallBudget _calls = new(clock);
    private volatile HashSet<Guid> _watched = [];

    /// <summary>The workspaces that somebody looks at now.</summary>
    public void Watch(IEnumerable<Guid> workspaces) => _watched = workspaces.ToHashSet();

    /// <summary>What is being done with a stack; asks Heat for what is new, if there is a call left.</summary>
    public async Task<string> OfAsync(HeatStack stack, Guid workspace, CancellationToken cancel)
    {
        if (_stacks.Count > MostStacks) _stacks.Clear();
        var known = _stacks.GetOrAdd(stack.Id, _ => new());
        if (_calls.TryCall(_watched.Contains(workspace) ? options.EventCalls : Math.Max(1, options.EventCalls / 2)))
        {
            string? after;
            lock (known) after = known.Last;
            var events = await heat.EventsAsync(stack, after, cancel);
            lock (known)
            {
                // Of two calls at the same time the later must not take the state back.
                if (known.Last == after)
                {
                    foreach (var happened in events)
                    {
                        known.States[happened.Resource] = happened.Status;
                        known.Sentence = StackWords.Of(happened) ?? known.Sentence;
                    }
                    if (events.Count > 0) known.Last = events[^1].Id;
                }
            }
        }
        lock (known) return StackWords.Progress(known.States) ?? known.Sentence;
    }

    /// <summary>A stack that is gone.</summary>
    public void Forget(HeatStack stack) => _stacks.TryRemove(stack.Id, out _);

    private sealed class Known
    {
        public Dictionary<string, string> States { get; } = new(StringComparer.Ordinal);

        public string? Last { get; set; }

        /// <summary>What happened last that means something to a person.</summary>
        public string Sentence { get; set; } = "The cloud is working on it.";
    }
}
