namespace Portal.Core.Live;

/// <summary>A value that goes on: what it is now, and what it becomes later. Both are taken together: nothing is lost between them.</summary>
public sealed record Live<T>(T Now, IAsyncEnumerable<T> Later);
