using Portal.Core.Runs;
using Portal.Jobs.Steps;

namespace Portal.Jobs.Plans;

/// <summary>
/// The steps that <see cref="PlanSteps"/> names. Which steps each kind of run has is defined in that one table; this maps each name to its code.
/// <see cref="Release"/> knows in which order storage is released.
/// </summary>
public sealed class Plan(IEnumerable<IStep> steps)
{
    private readonly Dictionary<StepKey, IStep> _steps = steps.ToDictionary(s => s.Key);

    public IStep Step(StepKey key) => _steps[key];
}
