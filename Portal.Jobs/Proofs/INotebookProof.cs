using System.Net;
using Portal.Core.Catalog;

namespace Portal.Jobs.Proofs;

public abstract record ProofOutcome
{
    private ProofOutcome() { }

    /// <summary>A kernel computed, and its answer arrived the way a person's browser would get it.</summary>
    public sealed record Proven : ProofOutcome;

    /// <summary>Not yet: the app is still starting.</summary>
    /// <param name="WebUnavailable">The web process does not answer: nothing is wrong with the workspace, so its deadline is paused.</param>
    public sealed record NotYet(string Why, bool WebUnavailable) : ProofOutcome;

    /// <summary>It answers, but not as it should; waiting will not help.</summary>
    public sealed record Broken(string Cause, string Remedy) : ProofOutcome;
}

/// <summary>Checks from outside that a workspace's notebook computes. A port: scripted in tests of plans, real everywhere else.</summary>
public interface INotebookProof
{
    /// <summary>One attempt, which takes a few seconds at most.</summary>
    Task<ProofOutcome> ProveAsync(ProofOrder order, CancellationToken cancel);
}

/// <param name="EndPoint">Where the app is reached without the portal's proxy; null while its node is not running.</param>
public sealed record ProofOrder(Guid Workspace, string Slug, Guid Person, AppSpec App, IPEndPoint? EndPoint);
