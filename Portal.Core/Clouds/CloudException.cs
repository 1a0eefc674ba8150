using Portal.Core.Foreign;

namespace Portal.Core.Clouds;

/// <summary>What kind of fault a cloud met; what to do next depends on nothing else.</summary>
public enum CloudFault
{
    /// <summary>Cannot be reached now. The outcome of the call is unknown: look before repeating.</summary>
    Away,
    /// <summary>We may not.</summary>
    Denied,
    TimedOut,
    /// <summary>What was asked about is not there.</summary>
    Missing,
    /// <summary>Something else holds this name, address or state: look again.</summary>
    Conflict,
    /// <summary>Since they were chosen, somebody else on the host took these addresses: choose others.</summary>
    AddressesTaken,
    /// <summary>The cloud will not do this, however often it is asked.</summary>
    Refused,
    /// <summary>No room: disk, addresses, capacity.</summary>
    Full,
    Broken,
}

/// <summary>The only exception that leaves a cloud adapter: which service, what kind of fault, and what helps, in words for a page.</summary>
public sealed class CloudException(string service, CloudFault fault, string message, string whatToDo, Exception? cause = null)
    : Exception($"{service}: {Sentence(ForeignText.Clean(message, Longest))}", cause)
{
    /// <summary>Of either part, UTF-16 units: both are shown together with more.</summary>
    private const int Longest = 1500;

    public string Service { get; } = service;
    public CloudFault Fault { get; } = fault;
    public string WhatToDo { get; } = ForeignText.Clean(whatToDo, Longest);

    /// <summary>True where asking again later may help; false where a person must act first.</summary>
    public bool MayPass => Fault is CloudFault.Away or CloudFault.TimedOut or CloudFault.Conflict or CloudFault.AddressesTaken or CloudFault.Full or CloudFault.Broken;

    private static string Sentence(string words) => words is [.., '.' or '!' or '?' or '…'] ? words : words + ".";
}
