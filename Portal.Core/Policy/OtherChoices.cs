using System.Collections.Immutable;
using Portal.Core.Catalog;
using Portal.Core.Quotas;

namespace Portal.Core.Policy;

/// <summary>What else a template could be launched with when a limit binds.</summary>
public static class OtherChoices
{
    /// <summary>One choice and its total needs.</summary>
    /// <param name="beside">What is needed besides nodes, whatever the choice.</param>
    public static OtherChoice One(TemplateSpec spec, Fit choice, Amounts beside) =>
        new(choice, spec.Amounts(choice.SizeId, choice.Workers) + beside) { Nodes = spec.NodeLimits(choice.SizeId, choice.Workers) };

    /// <summary>Every other choice, the nearest first: fewer workers of the same size, then smaller nodes with as many workers as possible.</summary>
    /// <param name="beside">What is needed besides nodes, whatever the choice.</param>
    public static ImmutableArray<OtherChoice> Of(TemplateSpec spec, Fit requested, Amounts beside)
    {
        var range = spec.WorkerRole()?.Workers;
        var counts = range is null ? [0] : Enumerable.Range(range.Min, range.Max - range.Min + 1).Reverse().ToArray();
        var choices = from size in spec.Sizes
                      from workers in counts
                      let choice = new Fit(size.Id, workers)
                      where choice != requested
                      select One(spec, choice, beside);
        return [.. choices.Where(c => c.Choice.Workers <= requested.Workers || requested.Workers < (range?.Min ?? 0))
            .OrderByDescending(c => c.Choice.SizeId == requested.SizeId).ThenByDescending(c => c.Wanted.Vcpu).ThenByDescending(c => c.Wanted.MemoryMib)];
    }
}
