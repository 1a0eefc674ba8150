namespace Portal.Core.Live;

/// <summary>A value that changes: its current value and later ones. Both are obtained together, so nothing is missed in between.</summary>
public sealed record Live<T>(T Now, IAsyncEnumerable<T> Later);
