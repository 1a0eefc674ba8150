using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Localization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Portal.Controls;
using Portal.Core.Catalog;
using Portal.Core.Metrics;
using Portal.Core.Offers;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Features.Launch;
using Portal.Features.Operations;
using Portal.Features.Templates;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

/// <summary>A missing text shows people its key; these tests find such texts first.</summary>
public sealed partial class TextTests
{
    private static readonly ResourceManagerStringLocalizerFactory Texts = new(Options.Create(new LocalizationOptions()), NullLoggerFactory.Instance);

    [Fact]
    public void Texts_EveryKeyInAPage_IsThere()
    {
        var missing = new List<string>();
        foreach (var file in Directory.EnumerateFiles(WebFolder(), "*.razor", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)))
        {
            var source = File.ReadAllText(file);
            foreach (Match injected in Injected().Matches(source))
            {
                var type = typeof(Portal.Shell.ShellTexts).Assembly.GetTypes().Single(t => t.Name == injected.Groups["type"].Value);
                var texts = Texts.Create(type);
                foreach (Match use in Regex.Matches(source, $@"\b{injected.Groups["name"].Value}\[""(?<key>[^""]+)""", RegexOptions.None,
                    TimeSpan.FromSeconds(1)))
                    if (texts[use.Groups["key"].Value].ResourceNotFound) missing.Add($"{Path.GetFileName(file)}: {use.Groups["key"].Value}");
            }
        }
        missing.ShouldBeEmpty();
    }

    [Fact]
    public void Texts_EveryValueThatAPageNames_HasWords()
    {
        Each<ControlTexts, WorkspaceStatus>(s => $"Status.{s}");
        Each<ControlTexts, Resource>(r => $"Resource.{r}");
        Each<WorkspaceTexts, StepKey>(k => $"Step.{k}");
        Each<WorkspaceTexts, RunKind>(k => $"Run.Now.{k}");
        Each<WorkspaceTexts, RunKind>(k => $"Run.Past.{k}");
        Each<WorkspaceTexts, QuotaLevel>(l => $"Level.{l}");
        Each<WorkspaceTexts, Resource>(r => $"Resource.{r}");
        Each<WorkspaceTexts, ChangeRefusal>(r => $"Refused.{r}");
        Each<WorkspaceTexts, WorkspaceAction>(a => a is WorkspaceAction.Open ? "OpenApp" : $"Action.{a}");
        Each<WorkspaceTexts, WorkspaceAction>(a => a is WorkspaceAction.Open ? "OpenApp" : $"Done.{a}");
        Each<LaunchTexts, Resource>(r => $"Resource.{r}");
        Each<LaunchTexts, RefusalReason>(r => r is RefusalReason.OverQuota ? "Refused.OverQuota.Member" : $"Refused.{r}");
        Each<LaunchTexts, QuotaLevel>(l => $"Refused.OverQuota.{l}");
        Each<LaunchTexts, QuotaLevel>(l => $"Remedy.OverQuota.{l}");
        Each<LaunchTexts, ParameterMistake>(m => $"Mistake.{m}");
        Each<TemplatesTexts, TemplateRefusal>(r => $"Refused.{r}");
        Each<TemplatesTexts, TemplateAction>(a => $"Done.{a}");
        Each<WorkspaceTexts, MetricsWindow>(w => $"Metrics.{w}");
        Each<WorkspaceTexts, MetricsWindow>(w => $"Metrics.Span.{w}");
        Each<WorkspaceTexts, MetricsWindow>(w => $"Metrics.None.{w}");
        Each<OperationsTexts, RunPhase>(p => $"Phase.{p}");
        Each<OperationsTexts, RunKind>(k => $"Kind.{k}");
    }

    private static void Each<TTexts, TEnum>(Func<TEnum, string> key) where TEnum : struct, Enum
    {
        var texts = Texts.Create(typeof(TTexts));
        foreach (var value in Enum.GetValues<TEnum>())
            texts[key(value)].ResourceNotFound.ShouldBeFalse(string.Create(CultureInfo.InvariantCulture, $"{typeof(TTexts).Name} lacks {key(value)}"));
    }

    private static string WebFolder([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../Portal"));

    [GeneratedRegex(@"@inject IStringLocalizer<(?<type>\w+)> (?<name>\w+)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Injected();
}
