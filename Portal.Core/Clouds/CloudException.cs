using Portal.Core.Foreign;

namespace Portal.Core.Clouds;

/// <summary>The kind of fault a cloud reported; what happens next depends on nothing else.</summary>
public enum CloudFault
{
    /// <summary>Currently unavailable. The outcome of the call is unknown: check before repeating it.</summary>
    Unavailable,
    /// <summary>Not permitted.</summary>
    Denied,
    TimedOut,
    /// <summary>What was asked about does not exist.</summary>
    Missing,
    /// <summary>Something else has this name, address or state: check again.</summary>
    Conflict,
    /// <summary>Something else on the host took these addresses after they were chosen: choose others.</summary>
    AddressesTaken,
    /// <summary>The cloud will not do this; retrying does not help.</summary>
    Refused,
    /// <summary>No capacity left: disk, addresses, CPU or memory.</summary>
    Full,
    Broken,
}

/// <summary>The only exception that leaves a cloud adapter: which service, what kind of fault, and the remedy, as text for pages.</summary>
public sealed class CloudException(string service, CloudFault fault, string message, string whatToDo, Exception? cause = null)
    : Exception($"{service}: {Sentence(ForeignText.Clean(message, Longest))}", cause)
{
    /// <summary>Maximum length of either part, UTF-16 units; both are shown together with more text.</summary>
    private const int Longest = 1500;

    public string Service { get; } = service;
    public CloudFault Fault { get; } = fault;
    public string WhatToDo { get; } = ForeignText.Clean(whatToDo, Longest);

    /// <summary>True if a later retry may succeed; false if a person must act first.</summary>
    public bool MayPass =>
        Fault is CloudFault.Unavailable or CloudFault.TimedOut or CloudFault.Conflict or CloudFault.AddressesTaken or CloudFault.Full or CloudFault.Broken;

    private static string Sentence(string text) => text is [.., '.' or '!' or '?' or '…'] ? text : text + ".";
}
