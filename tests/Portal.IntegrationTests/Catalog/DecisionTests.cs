using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Offers;
using Portal.Core.People;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Catalog;

/// <summary>Who decides what is offered, and what a decision does to catalogue and launches.</summary>
public sealed class DecisionTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Ada", false)]
    [InlineData("Barbara", false)]
    [InlineData("Edsger", false)]
    [InlineData("Real", false)]
    [InlineData("Margaret", true)]
    [InlineData("Ken", true)]
    public async Task Decide_ByRole_IsTheTableAndLeavesATrace(string name, bool may)
    {
        var template = await TemplateAsync();
        var (ok, is404) = (new TemplateOutcome.Done(), new TemplateOutcome.NotFound());
        TemplateOutcome expected = may ? ok : is404;
        var actor = new Actor(web.Person(name));
        (await web.Services.GetRequiredService<DeprecateTemplate>().RunAsync(actor, template, "Take another.", Cancel)).ShouldBe(expected);
        (await web.Services.GetRequiredService<OfferTemplate>().RunAsync(actor, template, Cancel)).ShouldBe(expected);
        (await web.Services.GetRequiredService<RestrictTemplate>().RunAsync(actor, template, [web.Class], Cancel)).ShouldBe(expected);
        (await web.Services.GetRequiredService<TemplatesFeed>().ReadAsync(actor, Cancel) is not null).ShouldBe(may);
        await using var db = web.Database.Open();
        var trace = await db.Audit.Where(a => a.Outcome == $"accepted: {template}").OrderBy(a => a.Id).Select(a => a.Verb).ToListAsync(Cancel);
        trace.ShouldBe(may ? ["DeprecateTemplate", "OfferTemplate", "RestrictTemplate"] : []);
        (await db.TemplateOffers.AnyAsync(o => o.TemplateId == template && o.ChangedBy == actor.PersonId, Cancel)).ShouldBe(may);
        await web.Database.ExecuteAsync($"delete from portal.template_classes where template_id = {template}", Cancel);
    }

    [Fact]
    public async Task Api_SameDecisions_WithProblemsInWords()
    {
        var template = await TemplateAsync();
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        (await ada.GetAsync("/api/v1/managed-templates")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await ada.PostJsonAsync($"/api/v1/managed-templates/{template}/deprecate", new { reason = "x" })).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var ken = web.Visit();
        await ken.SignInAsync("Ken");
        (await ken.PostJsonAsync($"/api/v1/managed-templates/{template}/deprecate", new { reason = "" })).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await ken.PostJsonAsync($"/api/v1/managed-templates/{template}/deprecate", new { reason = "   " })).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await ken.PostJsonAsync($"/api/v1/managed-templates/{template}/restrict", new { classes = new[] { Guid.CreateVersion7() } })).StatusCode.ShouldBe(
            HttpStatusCode.UnprocessableEntity);
        (await ken.PostJsonAsync("/api/v1/managed-templates/nothing/offer", new { })).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await ken.PostJsonAsync($"/api/v1/managed-templates/{template}/deprecate", new { reason = "Take notebook." })).StatusCode.ShouldBe(
            HttpStatusCode.NoContent);
        await web.Database.ExecuteAsync($"""
            insert into portal.template_faults (file, line, field, reason, seen_at)
            values ('mine/template.yaml', 3, 'id', 'is missing', now()) on conflict do nothing
            """, Cancel);
        var view = await JsonAsync(await ken.GetAsync("/api/v1/managed-templates"));
        var row = view.GetProperty("templates").EnumerateArray().Single(t => t.GetProperty("id").GetString() == template);
        row.GetProperty("deprecated").GetString().ShouldBe("Take notebook.");
        view.GetProperty("faults")[0].GetProperty("reason").GetString().ShouldBe("is missing");
        using var margaret = web.Visit();
        await margaret.SignInAsync("Margaret");
        (await JsonAsync(await margaret.GetAsync("/api/v1/managed-templates"))).GetProperty("faults").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task Deprecated_IsRefusedInWordsAndShownWithReason_UntilOfferedAgain()
    {
        var template = await TemplateAsync();
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        (await LaunchAsync(ada, template)).Status.ShouldBe(HttpStatusCode.Accepted);
        await web.Services.GetRequiredService<DeprecateTemplate>().RunAsync(new(web.Person("Ken")), template, "Take <notebook>.", Cancel);
        var refused = await LaunchAsync(ada, template);
        refused.Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
        refused.Body.GetProperty("reason").GetString().ShouldBe("Deprecated");
        refused.Body.GetProperty("detail").GetString()!.ShouldContain("Take <notebook>.");
        var card = (await TemplatesAsync(ada)).Single(t => t.GetProperty("id").GetString() == template);
        card.GetProperty("notAvailable").GetString()!.ShouldContain("Take <notebook>.");
        await web.Services.GetRequiredService<OfferTemplate>().RunAsync(new(web.Person("Ken")), template, Cancel);
        (await LaunchAsync(ada, template)).Status.ShouldBe(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task Restricted_IsOfferedToThoseClassesAlone_AndPagesFollow()
    {
        var template = await TemplateAsync();
        var (elsewhere, _) = await ClassAsync(web.Tenant);
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var live = await web.Services.GetRequiredService<CatalogFeed>().WatchAsync(new(web.Person("Ada")), cancellation.Token);
        live.Now!.Cards.ShouldContain(c => c.Spec.Id == template);
        (await web.Services.GetRequiredService<RestrictTemplate>().RunAsync(new(web.Person("Ken")), template, [elsewhere], Cancel))
            .ShouldBeOfType<TemplateOutcome.Done>();
        await foreach (var next in live.Later.WithCancellation(Cancel))
            if (next!.Cards.All(c => c.Spec.Id != template)) break;
        (await TemplatesAsync(ada)).ShouldNotContain(t => t.GetProperty("id").GetString() == template);
        var refused = await LaunchAsync(ada, template);
        refused.Body.GetProperty("reason").GetString().ShouldBe("NotForClass");
        (await web.Services.GetRequiredService<CatalogFeed>().ReadAsync(new(web.Person("Ken")), Cancel)).Cards.ShouldContain(c => c.Spec.Id == template);
        (await web.Services.GetRequiredService<RestrictTemplate>().RunAsync(new(web.Person("Ken")), template, [web.Class, elsewhere], Cancel))
            .ShouldBeOfType<TemplateOutcome.Done>();
        (await LaunchAsync(ada, template)).Status.ShouldBe(HttpStatusCode.Accepted);
        await cancellation.CancelAsync();
    }

    [Fact]
    public async Task TenantAdmin_WithOtherDepartments_DecidesForOwnClassesOnly()
    {
        var template = await TemplateAsync();
        var (theirs, tenant) = await ClassAsync(null);
        var (mine2, _) = await ClassAsync(web.Tenant);
        try
        {
            var margaret = new Actor(web.Person("Margaret"));
            var restrict = web.Services.GetRequiredService<RestrictTemplate>();
            var concerns = new TemplateOutcome.Refused(TemplateRefusal.ConcernsOthers);
            (await web.Services.GetRequiredService<DeprecateTemplate>().RunAsync(margaret, template, "x", Cancel)).ShouldBe(concerns);
            (await web.Services.GetRequiredService<OfferTemplate>().RunAsync(margaret, template, Cancel)).ShouldBe(concerns);
            (await restrict.RunAsync(margaret, template, [web.Class], Cancel)).ShouldBe(concerns, "it is for all, including theirs");
            (await restrict.RunAsync(margaret, template, [theirs], Cancel)).ShouldBe(new TemplateOutcome.Refused(TemplateRefusal.ClassUnknown));
            (await restrict.RunAsync(new(web.Person("Ken")), template, [theirs, mine2], Cancel)).ShouldBeOfType<TemplateOutcome.Done>();
            (await restrict.RunAsync(margaret, template, [web.Class], Cancel)).ShouldBeOfType<TemplateOutcome.Done>();
            await using var db = web.Database.Open();
            (await db.TemplateClasses.Where(c => c.TemplateId == template).Select(c => c.ClassId).ToListAsync(Cancel))
                .ShouldBe([theirs, web.Class], ignoreOrder: true);
            (await web.Services.GetRequiredService<TemplatesFeed>().ReadAsync(margaret, Cancel))!.Classes.ShouldNotContain(c => c.Id == theirs);
            (await restrict.RunAsync(margaret, template, [], Cancel)).ShouldBeOfType<TemplateOutcome.Done>();
            (await db.TemplateClasses.Where(c => c.TemplateId == template).Select(c => c.ClassId).ToListAsync(Cancel)).ShouldBe([theirs]);
        }
        finally
        {
            await web.Database.ExecuteAsync($"delete from portal.template_classes where class_id = {theirs}", Cancel);
            await web.Database.ExecuteAsync($"delete from portal.classes where id = {theirs}", Cancel);
            await web.Database.ExecuteAsync($"delete from portal.tenants where id = {tenant}", Cancel);
        }
    }

    private async Task<string> TemplateAsync()
    {
        var id = $"t{Guid.CreateVersion7().ToString("n")[^12..]}";
        await using var db = web.Database.Open();
        var notebook = await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.TemplateId == "notebook", Cancel);
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(), TemplateId = id, Hash = new('b', 64), Spec = notebook.Spec with { Id = id } });
        await db.SaveChangesAsync(Cancel);
        return id;
    }

    private async Task<(Guid Class, Guid Tenant)> ClassAsync(Guid? tenant)
    {
        await using var db = web.Database.Open();
        var id = Guid.CreateVersion7();
        if (tenant is null) db.Tenants.Add(new() { Id = id, Slug = $"t{id:n}"[..20], Name = "Physics", PoolKey = LocalCloud.Key, Limits = new(1, 1, 1, 1) });
        db.Classes.Add(new()
        {
            Id = id,
            TenantId = tenant ?? id,
            Slug = $"c{id:n}"[..20],
            Title = "Other",
            Limits = new(1, 1, 1, 1),
            MemberLimits = new(1, 1, 1, 1),
            WorkFolderGib = 1,
            LongestHours = 1
        });
        await db.SaveChangesAsync(Cancel);
        return (id, tenant ?? id);
    }

    private async Task<(HttpStatusCode Status, JsonElement Body)> LaunchAsync(Visitor visitor, string template)
    {
        using var answer =
            await visitor.PostJsonAsync("/api/v1/workspaces",
                new
                {
                    id = Guid.CreateVersion7(),
                    classId = web.Class,
                    templateId = template,
                    size = "s",
                    name = Guid.CreateVersion7().ToString("n"),
                    endAt = TimeProvider.System.GetUtcNow().AddHours(1)
                });
        return (answer.StatusCode, await JsonAsync(answer));
    }

    private static async Task<IReadOnlyList<JsonElement>> TemplatesAsync(Visitor visitor) =>
        [.. (await JsonAsync(await visitor.GetAsync("/api/v1/templates"))).EnumerateArray()];

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage answer) => await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
}
