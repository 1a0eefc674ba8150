using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json;
using Portal.Core.Foreign;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Proofs;

/// <summary>
/// Checks a workspace the way a person's browser uses it: public address, ticket, proxy, notebook, kernel, WebSocket.
/// For an app without kernels its start page must respond. While nothing is listening on the node, that path is not taken, because launches that start
/// at the same time check often.
/// </summary>
public sealed class KernelProof(PublicSite site, ProofTickets tickets, TimeProvider clock) : INotebookProof
{
    /// <summary>Time limit of one attempt. On a busy machine a first kernel spends a few seconds on imports.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    /// <summary>The remedy if a notebook answers in a way that none of ours does.</summary>
    public const string OwnSettings = "Your own Jupyter settings in the work folder are the likely cause: choose “Start without my settings”, "
        + "which deletes nothing. "
        + "If that does not help, contact the operator.";

    /// <summary>Limit for a kernel's result.</summary>
    private const int LongestAnswer = 200;

    private static readonly TimeSpan ConnectWithin = TimeSpan.FromMilliseconds(500), BetweenAttempts = TimeSpan.FromMilliseconds(10);

    public async Task<ProofOutcome> ProveAsync(ProofOrder order, CancellationToken cancel)
    {
        if (!await ListensAsync(order, cancel)) return new ProofOutcome.NotYet("The notebook is not responding yet.", WebUnavailable: false);
        var ticket = await tickets.NewAsync(order.Workspace, order.App.Id, order.Person, cancel);
        using var own = new CancellationTokenSource(Deadline, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        var entered = false;
        try
        {
            var (visit, status) = await AppVisit.EnterAsync(site, site.AppOrigin(order.App.Id, order.Slug), ticket, until.Token);
            if (visit is null)
                return (int)status >= 500
                    ? new ProofOutcome.NotYet($"The portal responded with {(int)status}.", WebUnavailable: true)
                    : new ProofOutcome.NotYet($"The portal did not accept the ticket ({(int)status}).", WebUnavailable: false);
            entered = true;
            return order.App.Kernels ? await ComputeAsync(visit, until.Token) : await LookAsync(visit, order.App.Path, until.Token);
        }
        catch (KernelException e) { return Of(e); }
        catch (JsonException) { return new ProofOutcome.Broken("The notebook does not speak Jupyter's protocol: its response is not JSON.", OwnSettings); }
        catch (ReadLimitException e) when (e.TooLong)
        {
            return new ProofOutcome.Broken($"The notebook does not speak Jupyter's protocol: {e.Message}.", OwnSettings);
        }
        catch (Exception e) when (e is HttpRequestException or WebSocketException or IOException)
        {
            return entered
                ? new ProofOutcome.NotYet($"The notebook is not responding: {e.Message}", WebUnavailable: false)
                : new ProofOutcome.NotYet($"The portal is not responding: {e.Message}", WebUnavailable: true);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new ProofOutcome.NotYet(
                entered ? $"The notebook did not respond within {Deadline.TotalSeconds:F0} s." : "The portal did not respond.", WebUnavailable: !entered);
        }
    }

    /// <summary>Tries to connect for a while, in case it is about to start listening.</summary>
    private async Task<bool> ListensAsync(ProofOrder order, CancellationToken cancel)
    {
        if (order.EndPoint is not { } endpoint) return false;
        using var own = new CancellationTokenSource(ConnectWithin, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        try
        {
            while (!await AcceptsConnectionAsync(endpoint, until.Token)) await Task.Delay(BetweenAttempts, clock, until.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested) { return false; }
    }

    private static async Task<bool> AcceptsConnectionAsync(IPEndPoint endpoint, CancellationToken cancel)
    {
        using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endpoint, cancel);
            return true;
        }
        catch (SocketException) { return false; }
    }

    private async Task<ProofOutcome> ComputeAsync(AppVisit visit, CancellationToken cancel)
    {
        var answer = await Kernel.EvaluateAsync(visit, "6*7", clock, cancel);
        if (answer == "42") return new ProofOutcome.Proven();
        var claim = answer.Length == 0 ? "returned no result for 6*7" : $"computed 6*7 as {ForeignText.Clean(answer, LongestAnswer)}";
        return new ProofOutcome.Broken($"The kernel {claim}.", OwnSettings);
    }

    private static async Task<ProofOutcome> LookAsync(AppVisit visit, string path, CancellationToken cancel)
    {
        using var answer = await visit.SendAsync(HttpMethod.Get, path, cancel);
        return (int)answer.StatusCode < 400
            ? new ProofOutcome.Proven()
            : new ProofOutcome.NotYet($"The app responded with {(int)answer.StatusCode}.", WebUnavailable: false);
    }

    private static ProofOutcome Of(KernelException e) => e.Status switch
    {
        // Jupyter's own refusals: it is up, and will respond the same way next time.
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new ProofOutcome.Broken("The notebook does not accept its own token.", OwnSettings),
        // Includes temporary faults, such as a brief lack of memory: the deadline decides.
        HttpStatusCode.InternalServerError =>
            new ProofOutcome.NotYet(
                "It cannot start a kernel (500). The usual causes are a full work folder or a broken image; see the node's log.", WebUnavailable: false),
        // From the proxy: nothing is listening yet.
        { } status => new ProofOutcome.NotYet($"The notebook responded with {(int)status}.", WebUnavailable: false),
        null => new ProofOutcome.Broken(e.Message, OwnSettings),
    };
}
