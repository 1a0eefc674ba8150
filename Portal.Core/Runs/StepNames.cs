using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Portal.Core.Runs;

/// <summary>Step names: one that only another version of the portal has reads as <see cref="StepKey.Unknown"/>, so that its rows can still be shown.</summary>
internal sealed class StepNames() : ValueConverter<StepKey, string>(step => step.ToString(), name => PlanSteps.Parse(name));
