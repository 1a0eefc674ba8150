namespace Portal.Benchmarks;

/// <summary>One thing that is measured, by the name that infra/bench takes. Leaves the installation as it found it.</summary>
internal abstract class Figure(string name)
{
    public string Name => name;

    public abstract Task MeasureAsync(Bench bench, CancellationToken cancel);
}
