using System.Security.Claims;
using Portal.Core.People;

namespace Portal.Controls;

public static class Persons
{
    /// <summary>The signed-in person as verbs know them. Every sign-in gives the person's id as the name identifier.</summary>
    /// <exception cref="InvalidOperationException">Nobody is signed in, or the sign-in gave no id of ours.</exception>
    public static Actor Actor(this ClaimsPrincipal person) =>
        Guid.TryParse(person.FindFirstValue(ClaimTypes.NameIdentifier), out var id) ? new(id) : throw new InvalidOperationException("The sign-in carries no person id.");
}
