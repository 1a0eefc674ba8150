using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Portal.Core.Live;

/// <summary>
/// Values that are read once from rows however many watch, and again when a change that concerns them is told.
/// Changes that arrive while a value is being read lead to exactly one more reading, so the newest state always arrives.
/// </summary>
/// <param name="read">Reads the value of a key; null where there is none.</param>
/// <param name="concerns">Whether a change may alter what this key shows; "*" always does.</param>
public sealed class Feed<TKey, T>(Changes changes, Func<TKey, CancellationToken, Task<T?>> read, Func<TKey, T?, string, bool> concerns)
    where TKey : notnull where T : class
{
    /// <summary>Now, and what it becomes later; null when there is nothing (any more). Ends when <paramref name="goodbye"/> is cancelled.</summary>
    public async Task<Live<T?>> WatchAsync(TKey key, CancellationToken goodbye)
    {
        var topic = Join(key);
        try
        {
            var now = await topic.FirstAsync(goodbye);
            return new(now, LaterAsync(topic, now, goodbye));
        }
        catch
        {
            Leave(topic);
            throw;
        }
    }

    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Topic> _topics = [];

    private Topic Join(TKey key)
    {
        lock (_gate)
        {
            if (!_topics.TryGetValue(key, out var topic)) _topics[key] = topic = new(this, key);
            topic.Watchers++;
            return topic;
        }
    }

    private void Leave(Topic topic)
    {
        lock (_gate)
        {
            if (--topic.Watchers > 0) return;
            _topics.Remove(topic.Key);
        }
        topic.Dispose();
    }

    private async IAsyncEnumerable<T?> LaterAsync(Topic topic, T? last, [EnumeratorCancellation] CancellationToken goodbye)
    {
        var channel = topic.Attach();
        try
        {
            // Whatever was read between the first answer and now.
            if (topic.Newest is { } newest && !Equals(newest, last)) yield return newest;
            await foreach (var next in channel.Reader.ReadAllAsync(goodbye)) yield return next;
        }
        finally
        {
            topic.Detach(channel);
            Leave(topic);
        }
    }

    private sealed class Topic : IDisposable
    {
        private readonly Feed<TKey, T> _feed;
        private readonly CancellationTokenSource _end = new();
        private readonly Channel<bool> _stale = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        private readonly TaskCompletionSource<T?> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly IDisposable _subscription;
        private readonly Lock _gate = new();
        private Channel<T?>[] _watchers = [];

        public Topic(Feed<TKey, T> feed, TKey key)
        {
            (_feed, Key) = (feed, key);
            _subscription = feed._changesSubscribe(what => { if (what == Changes.Everything || feed._concerns(Key, Newest, what)) _stale.Writer.TryWrite(true); });
            _stale.Writer.TryWrite(true);
            _ = ReadAsync();
        }

        public TKey Key { get; }
        public int Watchers { get; set; }
        public T? Newest { get; private set; }

        public Task<T?> FirstAsync(CancellationToken goodbye) => _first.Task.WaitAsync(goodbye);

        public Channel<T?> Attach()
        {
            // A slow watcher misses steps in between, never the newest: each value is whole.
            var channel = Channel.CreateBounded<T?>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
            lock (_gate) _watchers = [.. _watchers, channel];
            return channel;
        }

        public void Detach(Channel<T?> channel)
        {
            lock (_gate) _watchers = [.. _watchers.Where(w => w != channel)];
        }

        public void Dispose()
        {
            _subscription.Dispose();
            _end.Cancel();
            _end.Dispose();
        }

        private async Task ReadAsync()
        {
            var end = _end.Token;
            try
            {
                await foreach (var _ in _stale.Reader.ReadAllAsync(end))
                {
                    try
                    {
                        Newest = await _feed._read(Key, end);
                        _first.TrySetResult(Newest);
                        foreach (var watcher in _watchers) watcher.Writer.TryWrite(Newest);
                    }
                    catch (Exception e) when (e is Npgsql.NpgsqlException or IOException or TimeoutException or InvalidOperationException)
                    {
                        // The first reading has somebody to tell; later ones are repeated when the connection is back: Changes then tells everything.
                        _first.TrySetException(e);
                    }
                }
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested) { }
        }
    }

    private readonly Func<Action<string>, IDisposable> _changesSubscribe = changes.Subscribe;
    private readonly Func<TKey, CancellationToken, Task<T?>> _read = read;
    private readonly Func<TKey, T?, string, bool> _concerns = concerns;
}
