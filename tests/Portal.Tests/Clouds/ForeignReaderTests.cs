using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Portal.Jobs.Foreign;

namespace Portal.Tests.Clouds;

/// <summary>The limits of the one reader of what workspaces send, by a clock that the source of the bytes moves.</summary>
public sealed class ForeignReaderTests
{
    private static readonly ReadLimit Limit = new(100, TimeSpan.FromSeconds(10));
    private readonly FakeTimeProvider _clock = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>No byte begins the time anew, whether or not its source looks at the token.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ToEnd_AByteASecondForEver_EndsAtTheLimitOfTime(bool looksAtTheToken)
    {
        var reads = 0;
        var fault = await Should.ThrowAsync<ReadLimitException>(() => new ForeignReader(_clock).ToEndAsync(Limit, (_, until) =>
        {
            if (looksAtTheToken) until.ThrowIfCancellationRequested();
            reads++;
            _clock.Advance(TimeSpan.FromSeconds(1));
            return ValueTask.FromResult(1);
        }, _ => { }, Cancel));

        (fault.TooLong, fault.Message, reads).ShouldBe((false, "the response was not complete within 10 s", 10));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ToEnd_SilentForEver_EndsAtTheLimitOfTime(bool looksAtTheToken)
    {
        var reading = new ForeignReader(_clock).ToEndAsync(Limit, async (_, until) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, _clock, looksAtTheToken ? until : Cancel);
            return 1;
        }, _ => { }, Cancel);
        _clock.Advance(Limit.Time - TimeSpan.FromTicks(1));
        reading.IsCompleted.ShouldBeFalse();
        _clock.Advance(TimeSpan.FromTicks(1));

        (await Should.ThrowAsync<ReadLimitException>(() => reading.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, Cancel))).TooLong.ShouldBeFalse();
    }

    [Theory]
    [InlineData(100, false)]
    [InlineData(101, true)]
    public async Task Text_OfTheLimitOfSize_IsReadAndALongerOneIsNot(int length, bool tooLong)
    {
        var reading = new ForeignReader(_clock).TextAsync(new MemoryStream(Encoding.UTF8.GetBytes(new string('x', length))), Limit, Cancel);

        if (tooLong) (await Should.ThrowAsync<ReadLimitException>(() => reading)).TooLong.ShouldBeTrue();
        else (await reading).Length.ShouldBe(length);
    }

    /// <summary>A message of frames without end, none of them with content.</summary>
    [Fact]
    public async Task Message_OfEmptyFramesForEver_EndsAtTheLimitOfTime()
    {
        using var socket = new EmptyFrames(_clock);

        var fault = await Should.ThrowAsync<ReadLimitException>(() => new ForeignReader(_clock).MessageAsync(socket, Limit, _ => 0, Cancel));

        (fault.TooLong, socket.Frames).ShouldBe((false, 10));
    }

    /// <summary>Each empty frame takes a second.</summary>
    private sealed class EmptyFrames(FakeTimeProvider clock) : WebSocket
    {
        public int Frames { get; private set; }

        public override WebSocketState State => WebSocketState.Open;
        public override WebSocketCloseStatus? CloseStatus => null;
        public override string? CloseStatusDescription => null;
        public override string? SubProtocol => null;

        public override ValueTask<ValueWebSocketReceiveResult> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            Frames++;
            clock.Advance(TimeSpan.FromSeconds(1));
            return ValueTask.FromResult(new ValueWebSocketReceiveResult(0, WebSocketMessageType.Text, endOfMessage: false));
        }

        public override Task<WebSocketReceiveResult> ReceiveAsync(ArraySegment<byte> buffer, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public override Task SendAsync(ArraySegment<byte> buffer, WebSocketMessageType messageType, bool endOfMessage, CancellationToken cancellationToken) =>
            Task.CompletedTask;

        public override Task CloseAsync(WebSocketCloseStatus closeStatus, string? statusDescription, CancellationToken cancellationToken) => Task.CompletedTask;

        public override Task CloseOutputAsync(WebSocketCloseStatus closeStatus, string? statusDescription, CancellationToken cancellationToken) =>
            Task.CompletedTask;

        public override void Abort() { }

        public override void Dispose() { }
    }
}
