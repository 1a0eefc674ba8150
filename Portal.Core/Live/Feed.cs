using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Portal.Core.Live;

/// <summary>
/// Values that are read from rows once for all subscribers, and again when a change that concerns them is notified.
/// Changes that arrive while a value is being read lead to exactly one more read, so the newest state always arrives.
/// </summary>
/// <param name="changes">Says what changed.</param>
/// <param name="read">Reads the value of a key; null where there is none.</param>
/// <param name="concerns">Whether a change may alter the value of this key, given its current value; "*" always does.</param>
public sealed class Feed<TKey, T>(Changes changes, Func<TKey, CancellationToken, Task<T?>> read, Func<TKey, T?, string, bool> concerns)
    where TKey : notnull where T : class
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Topic> _topics = [];

    /// <summary>The current value and its later ones; null if there is none. Ends when <paramref name="cancel"/> is cancelled.</summary>
    public async Task<Live<T?>> WatchAsync(TKey key, CancellationToken cancel)
    {
        var topic = Join(key);
        var watcher = topic.Attach();
        // The cancellation token ends it, not the enumeration: a page may be closed before it begins to enumerate.
        cancel.Register(() => { topic.Detach(watcher); Leave(topic); });
        var now = await topic.NowAsync(cancel);
        return new(now, LaterAsync(watcher, now, cancel));
    }

    /// <summary>The newest values of all that somebody watches now.</summary>
    public IReadOnlyList<T> Watched()
    {
        lock (_gate) return [.. _topics.Values.Select(t => t.Newest).OfType<T>()];
    }

    private static async IAsyncEnumerable<T?> LaterAsync(Channel<T?> watcher, T? last, [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var next in watcher.Reader.ReadAllAsync(cancel))
            if (!ReferenceEquals(next, last)) yield return next;
    }

    private Topic Join(TKey key)
    {
        lock (_gate)
        {
            if (!_topics.TryGetValue(key, out var topic) || topic.Ended) _topics[key] = topic = new(key, changes, read, concerns);
            topic.Watchers++;
            return topic;
        }
    }

    private void Leave(Topic topic)
    {
        lock (_gate)
        {
            if (--topic.Watchers > 0) return;
            if (_topics.TryGetValue(topic.Key, out var present) && present == topic) _topics.Remove(topic.Key);
        }
        topic.Dispose();
    }

    private sealed class Topic : IDisposable
    {
        private readonly Func<TKey, CancellationToken, Task<T?>> _read;
        private readonly CancellationTokenSource _end = new();
        private readonly Channel<bool> _stale = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        private readonly IDisposable _subscription;
        private readonly Lock _gate = new();
        private Channel<T?>[] _watchers = [];
        private TaskCompletionSource _reading = NewReading();
        private volatile T? _newest;

        public Topic(TKey key, Changes changes, Func<TKey, CancellationToken, Task<T?>> read, Func<TKey, T?, string, bool> concerns)
        {
            (Key, _read) = (key, read);
            _subscription = changes.Subscribe(what => { if (what == Changes.Everything || concerns(key, _newest, what)) _stale.Writer.TryWrite(true); });
            _stale.Writer.TryWrite(true);
            _ = ReadAsync(_end.Token);
        }

        public TKey Key { get; }
        public int Watchers { get; set; }
        public T? Newest => _newest;

        /// <summary>A bug ended its reads: the next subscriber starts over.</summary>
        public bool Ended { get; private set; }

        /// <summary>The last value read, even if others subscribed long ago; a failed first read is retried.</summary>
        public async Task<T?> NowAsync(CancellationToken cancel)
        {
            Task reading;
            lock (_gate)
            {
                if (_reading.Task.IsFaulted)
                {
                    _reading = NewReading();
                    _stale.Writer.TryWrite(true);
                }
                reading = _reading.Task;
            }
            await reading.WaitAsync(cancel);
            return _newest;
        }

        /// <summary>A slow subscriber misses intermediate values, never the newest; each value is complete.</summary>
        public Channel<T?> Attach()
        {
            var watcher = Channel.CreateBounded<T?>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
            lock (_gate) _watchers = [.. _watchers, watcher];
            return watcher;
        }

        public void Detach(Channel<T?> watcher)
        {
            lock (_gate) _watchers = [.. _watchers.Where(w => w != watcher)];
        }

        public void Dispose()
        {
            _subscription.Dispose();
            _end.Cancel();
            _end.Dispose();
        }

        private async Task ReadAsync(CancellationToken end)
        {
            try
            {
                await foreach (var _ in _stale.Reader.ReadAllAsync(end)) await ReadOnceAsync(end);
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested) { }
            catch (Exception e)
            {
                // A bug in our code: subscribers see the exception instead of waiting forever.
                Ended = true;
                Reading.TrySetException(e);
                foreach (var watcher in _watchers) watcher.Writer.TryComplete(e);
            }
        }

        private async Task ReadOnceAsync(CancellationToken end)
        {
            var reading = Reading; // a retry while this read is in progress waits for the next one
            try
            {
                var next = await _read(Key, end);
                _newest = next;
                reading.TrySetResult();
                foreach (var watcher in _watchers) watcher.Writer.TryWrite(next);
            }
            catch (Exception e) when (e is Npgsql.NpgsqlException or IOException or TimeoutException || e.InnerException is Npgsql.NpgsqlException)
            {
                // A failing first read is reported to the subscriber. Later ones are repeated once the connection is back, when Changes notifies everything.
                reading.TrySetException(e);
            }
        }

        private TaskCompletionSource Reading
        {
            get { lock (_gate) return _reading; }
        }

        private static TaskCompletionSource NewReading()
        {
            var reading = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            // there may be no one waiting any more
            _ = reading.Task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return reading;
        }
    }
}
