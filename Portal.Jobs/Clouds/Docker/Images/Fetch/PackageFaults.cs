using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>Faults of fetching packages.</summary>
internal static class PackageFaults
{
    public const string Service = "Packages";

    public static CloudException Make(CloudFault fault, string message, string whatToDo, Exception? cause = null) =>
        new(Service, fault, message, whatToDo, cause);
}
