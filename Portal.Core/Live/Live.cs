namespace Portal.Core.Live;

/// <summary>A value that changes: what it is now and its later values. Both are taken together, so nothing is lost in between.</summary>
public sealed record Live<T>(T Now, IAsyncEnumerable<T> Later);
