namespace Portal.Benchmarks;

/// <summary>Repeated measurements in one unit.</summary>
internal sealed class Series
{
    private readonly List<double> _values = [];

    public static Series Of(double value)
    {
        var one = new Series();
        one.Add(value);
        return one;
    }

    public int Count => _values.Count;
    public double Min => Sorted()[0];
    public double Max => Sorted()[^1];
    public double Median => At(0.5);

    public void Add(double value) => _values.Add(value);

    /// <summary>Nearest rank: the smallest value that at least this share of all do not exceed.</summary>
    public double At(double share)
    {
        var sorted = Sorted();
        return sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
    }

    private double[] Sorted() => _values.Count > 0 ? [.. _values.Order()] : throw new InvalidOperationException("Nothing was measured.");
}
