using Portal.Core.Clouds;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>A work folder's share and its rules, as a real Manila was recorded to show them.</summary>
public abstract class RecordedManilaTest
{
    private protected const string Share = "6a9d0000-0000-0000-0000-000000000001";
    private protected static readonly FolderRef.Work Folder =
        new(Guid.Parse("00000000-0000-0000-0000-00000000000a"), Guid.Parse("00000000-0000-0000-0000-00000000000b"));

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected static string Json(
        string id, int size = 1, string status = "available", string created = "2026-11-22T12:51:07.000000", bool ready = true, bool metadata = true)
    {
        var own = $"\"portal_installation\": \"t123456789\", \"portal_class\": \"{Folder.Class:n}\", \"portal_person\": \"{Folder.Person:n}\""
            + (ready ? ", \"portal_ready\": \"1\"" : "");
        return $$"""
            {"id": "{{id}}", "name": "portal-t123456789-{{Folder.Class:n}}-{{Folder.Person:n}}", "status": "{{status}}", "size": {{size}},
             "created_at": "{{created}}", "project_id": "p1", "metadata": { {{(metadata ? own : "")}} } }
            """;
    }

    private protected static void ServeShare(RecordedCloud cloud, Func<int> size, string status = "available", bool ready = true)
    {
        cloud.Manila("2.73");
        cloud.Answers["GET /share/v2/shares/detail"] = http => RecordedCloud.SayAsync(http, 200, $$"""
            {"shares": [{{Json(Share, size(), status, ready: ready)}}]}
            """);
        cloud.On($"POST /share/v2/shares/{Share}/metadata", 200, """{"metadata": {}}""");
        cloud.On($"GET /share/v2/shares/{Share}/export_locations", 200, """
            {"export_locations": [{"path": "10.0.0.1:/other", "preferred": false}, {"path": "10.0.0.3:/admin", "preferred": true, "is_admin_only": true},
              {"path": "10.0.0.2:/preferred", "preferred": true, "is_admin_only": false}]}
            """);
    }

    private protected static void ServeRules(RecordedCloud cloud, string rules)
    {
        cloud.On("GET /share/v2/share-access-rules", 200, $$"""{"access_list": [{{rules}}]}""");
        cloud.On("GET /share/v2/messages", 200, """{"messages": []}""");
    }
}
