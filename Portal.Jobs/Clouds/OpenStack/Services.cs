namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Names of the services, as messages and pages give them.</summary>
internal static class Services
{
    public const string Keystone = "Keystone", Manila = "Manila", Heat = "Heat", Nova = "Nova", Neutron = "Neutron", Glance = "Glance";
}

/// <summary>A service in the catalogue.</summary>
/// <param name="Title">For people.</param>
/// <param name="Types">Its type, and what newer catalogues call it.</param>
internal sealed record ServiceKind(string Title, params string[] Types)
{
    public static readonly ServiceKind
        Identity = new(Services.Keystone, "identity"),
        Shares = new(Services.Manila, "sharev2", "shared-file-system"),
        Stacks = new(Services.Heat, "orchestration"),
        Servers = new(Services.Nova, "compute"),
        Images = new(Services.Glance, "image"),
        Networks = new(Services.Neutron, "network");
}
