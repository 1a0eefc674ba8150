namespace Portal.Benchmarks;

/// <summary>One measurement, with the name that infra/bench accepts. Leaves the installation as it found it.</summary>
internal abstract class Figure(string name)
{
    public string Name => name;

    public abstract Task MeasureAsync(Bench bench, CancellationToken cancel);
}
