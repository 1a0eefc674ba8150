using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>Values of a template's settings, whoever sends them: refused by the verb with the setting's name, and again by Jobs from the rows.</summary>
public sealed class SettingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly TemplateSpec Set = TestSite.Cluster with
    {
        Parameters =
        [
            new("mode", "Mode", "", ParameterType.Choice, "MODE", "plain") { Options = [new("plain", "Plain"), new("fancy", "Fancy")] },
            new("level", "Level", "", ParameterType.Number, "LEVEL", "3") { Min = 1, Max = 9 },
        ],
    };

    [Theory]
    [InlineData("level", "12", ParameterMistake.TooLarge)]
    [InlineData("level", "2.5", ParameterMistake.NotWhole)]
    [InlineData("mode", "$(reboot)", ParameterMistake.NotAnOption)]
    [InlineData("PATH", "/tmp", ParameterMistake.Unknown)]
    public async Task Launch_ValueThatIsNotAllowed_IsRefusedNamingTheSetting(string id, string value, ParameterMistake mistake)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await SiteAsync(database);

        var outcome = await site.Get<LaunchWorkspace>().RunAsync(Order(site, id, value), Cancel);

        var why = outcome.ShouldBeOfType<LaunchOutcome.Refused>().Why;
        (why.Reason, why.Field).ShouldBe((RefusalReason.ParameterWrong, $"p.{id}"));
        why.Parameter!.Mistake.ShouldBe(mistake);
        await using var db = database.Open();
        (await db.Workspaces.AnyAsync(Cancel)).ShouldBeFalse();
        (await db.Reservations.AnyAsync(Cancel)).ShouldBeFalse();
    }

    [Fact]
    public async Task Row_WithAValueThatNobodyChecked_IsRefusedByJobsBeforeAnythingIsMade()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await SiteAsync(database);
        (await site.Get<LaunchWorkspace>().RunAsync(Order(site, "level", "4"), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await database.ExecuteAsync($"update portal.workspaces set parameters = {"{\"level\": \"$(reboot)\"}"}::jsonb", Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));

        await jobs.UntilSettledAsync(Cancel);

        await using var db = database.Open();
        var run = await db.Runs.SingleAsync(Cancel);
        (run.Phase, run.FailedStep).ShouldBe((RunPhase.Failed, StepKey.CheckOrder));
        run.Cause!.ShouldContain("\"level\"");
        (await db.Workspaces.SingleAsync(Cancel)).Generation.ShouldBe(0);
    }

    private static async Task<TestSite> SiteAsync(TestDatabase database)
    {
        var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await site.PublishAsync(Set, Cancel);
        return site;
    }

    private static LaunchRequest Order(TestSite site, string id, string value) =>
        site.Order(site.Students[0]) with
        {
            TemplateId = Set.Id,
            Workers = 1,
            Parameters = new Dictionary<string, string>(StringComparer.Ordinal) { [id] = value }
        };
}
