using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A web process whose clock stands still until a test moves it.</summary>
public sealed class WebAtAStandstill : WebFixture
{
    public FakeTimeProvider Time { get; } = new(TimeProvider.System.GetUtcNow());

    protected override TimeProvider Clock => Time;
}

/// <summary>A suspended Jobs: its socket takes connections, and nothing more comes. A download ends, with a sentence while that is still possible.</summary>
public sealed class SilentJobsTests(WebAtAStandstill web) : IClassFixture<WebAtAStandstill>
{
    private const string Head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Download_NoAnswer_SaysSoAfterTenSeconds()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        using var jobs = Listen();
        var download = visitor.GetAsync(await LogAsync());
        using var connection = await AnswerAsync(jobs, "");

        web.Time.Advance(TimeSpan.FromSeconds(9));
        await Task.WhenAny(download, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Cancel));
        download.IsCompleted.ShouldBeFalse("Jobs has a second left");
        await UntilEndedAsync(download);

        await SaysSoAsync(download);
    }

    [Fact]
    public async Task Download_AnswerWithoutALine_SaysSo()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        using var jobs = Listen();
        var download = visitor.GetAsync(await LogAsync());
        using var connection = await AnswerAsync(jobs, Head);

        await UntilEndedAsync(download);

        await SaysSoAsync(download);
    }

    [Fact]
    public async Task Download_TheRestDoesNotCome_IsCutOff()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        using var jobs = Listen();
        var asked = visitor.SendAsync(HttpMethod.Get, await LogAsync(), until: HttpCompletionOption.ResponseHeadersRead);
        using var connection = await AnswerAsync(jobs, Head + "6\r\nfirst\n\r\n");
        using var answer = await asked;

        var download = answer.Content.ReadAsStringAsync(Cancel);
        await UntilEndedAsync(download);

        await Should.ThrowAsync<HttpRequestException>(() => download, "a file that looks whole would be worse than none");
    }

    private async Task<string> LogAsync() => $"/workspaces/{(await web.WorkspaceAsync("Ada")).Id}/nodes/notebook/log";

    private static async Task SaysSoAsync(Task<HttpResponseMessage> download)
    {
        using var answer = await download;
        answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        answer.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(5));
        answer.Content.Headers.ContentDisposition.ShouldBeNull("the sentence is not a log");
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldStartWith("The log cannot be read at the moment");
    }

    private Socket Listen()
    {
        File.Delete(web.JobsSocket);
        var jobs = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        jobs.Bind(new UnixDomainSocketEndPoint(web.JobsSocket));
        jobs.Listen();
        return jobs;
    }

    private static async Task<Socket> AnswerAsync(Socket jobs, string answer)
    {
        var connection = await jobs.AcceptAsync(Cancel);
        var (head, buffer) = (new StringBuilder(), new byte[4096]);
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
            head.Append(Encoding.ASCII.GetString(buffer, 0, await connection.ReceiveAsync(buffer, Cancel)));
        await connection.SendAsync(Encoding.ASCII.GetBytes(answer), Cancel);
        return connection;
    }

    /// <summary>The limit of a read begins when the one before has ended, which a test cannot see: time passes until the download ends.</summary>
    private async Task UntilEndedAsync(Task download)
    {
        while (!download.IsCompleted)
        {
            web.Time.Advance(TimeSpan.FromSeconds(2));
            await Task.WhenAny(download, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancel));
        }
    }
}
